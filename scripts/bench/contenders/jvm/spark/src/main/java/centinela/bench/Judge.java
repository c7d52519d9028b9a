package centinela.bench;

import centinela.bench.j1.Answer;
import centinela.bench.j1.Buckets;
import centinela.bench.j1.Event;
import centinela.bench.j1.Forest;
import centinela.bench.j1.Json;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.streaming.OutputMode;
import org.apache.spark.sql.streaming.StatefulProcessor;
import org.apache.spark.sql.streaming.TTLConfig;
import org.apache.spark.sql.streaming.TimeMode;
import org.apache.spark.sql.streaming.TimerValues;
import org.apache.spark.sql.streaming.ValueState;
import scala.Tuple2;
import scala.collection.Iterator;
import scala.jdk.javaapi.CollectionConverters;

/** A client's events of one micro-batch: its buckets out of the state once, and back once. */
final class Judge extends StatefulProcessor<String, Row, Tuple2<String, byte[]>> {
    private final String model;
    private transient ValueState<byte[]> state;
    private transient Forest forest;

    Judge(String model) {
        this.model = model;
    }

    @Override
    public void init(OutputMode outputMode, TimeMode timeMode) {
        state = getHandle().getValueState("buckets", Encoders.BINARY(), TTLConfig.NONE());
        forest = new Forest(model);
    }

    @Override
    public Iterator<Tuple2<String, byte[]>> handleInputRows(
            String client, Iterator<Row> rows, TimerValues timers) {
        Buckets buckets = state.exists() ? Buckets.decoded(state.get()) : new Buckets();
        List<Tuple2<String, byte[]>> answers = new ArrayList<>();
        while (rows.hasNext()) {
            Event event = event(rows.next());
            float[] row = buckets.add(event);
            answers.add(
                    new Tuple2<>(client, Json.encoded(Answer.to(event, row, forest.score(row)))));
        }
        state.update(buckets.encoded());
        return CollectionConverters.asScala(answers.iterator());
    }

    private static Event event(Row row) {
        Event event = new Event();
        event.eventId = row.getString(0);
        event.occurredAt = row.getString(1);
        event.clientIp = row.getString(2);
        event.status = row.getInt(3);
        event.bytes = row.isNullAt(4) ? 0 : row.getLong(4);
        return event;
    }

    @Override
    public void close() {
        if (forest != null) {
            forest.close();
        }
    }
}
