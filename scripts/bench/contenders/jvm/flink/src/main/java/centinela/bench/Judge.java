package centinela.bench;

import centinela.bench.j1.Answer;
import centinela.bench.j1.Buckets;
import centinela.bench.j1.Event;
import centinela.bench.j1.Forest;
import centinela.bench.j1.Row;
import centinela.bench.j1.Settings;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** One event: into its minute of the client's map, the row of ten minutes to the forest. */
final class Judge extends KeyedProcessFunction<String, Event, Answer> {
    private transient MapState<Long, long[]> minutes;
    private transient Forest forest;

    @Override
    public void open(OpenContext context) {
        minutes =
                getRuntimeContext()
                        .getMapState(
                                new MapStateDescriptor<>("minutes", Long.class, long[].class));
        forest = new Forest(Settings.of("model"));
    }

    @Override
    public void processElement(Event event, Context context, Collector<Answer> out)
            throws Exception {
        long now = event.minute();
        long[] bucket = minutes.get(now);
        if (bucket == null) {
            bucket = new long[3];
            forgetBefore(now - Buckets.COUNT);
        }
        bucket[0] += 1;
        bucket[1] += event.bytes;
        bucket[2] += event.status >= 400 ? 1 : 0;
        minutes.put(now, bucket);
        float[] row = row(now);
        out.collect(Answer.to(event, row, forest.score(row)));
    }

    private float[] row(long now) throws Exception {
        long count = 0;
        long bytes = 0;
        long errors = 0;
        for (Map.Entry<Long, long[]> entry : minutes.entries()) {
            if (entry.getKey() > now - Buckets.COUNT) {
                count += entry.getValue()[0];
                bytes += entry.getValue()[1];
                errors += entry.getValue()[2];
            }
        }
        return Row.of(count, bytes, errors);
    }

    /** At most once a minute and client: what no row will hold any more. */
    private void forgetBefore(long oldest) throws Exception {
        List<Long> ended = new ArrayList<>();
        for (Long minute : minutes.keys()) {
            if (minute <= oldest) {
                ended.add(minute);
            }
        }
        for (Long minute : ended) {
            minutes.remove(minute);
        }
    }

    @Override
    public void close() {
        if (forest != null) {
            forest.close();
        }
    }
}
