package centinela.bench;

import centinela.bench.j1.Answer;
import centinela.bench.j1.Buckets;
import centinela.bench.j1.Event;
import centinela.bench.j1.Forest;
import centinela.bench.j1.Settings;
import java.io.IOException;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** One event: its client's buckets out of the state, and back; the row to the forest. */
final class Judge extends KeyedProcessFunction<String, Event, Answer> {
    private transient ValueState<long[]> state;
    private transient Forest forest;

    @Override
    public void open(OpenContext context) {
        state = getRuntimeContext().getState(new ValueStateDescriptor<>("buckets", long[].class));
        forest = new Forest(Settings.of("model"));
    }

    @Override
    public void processElement(Event event, Context context, Collector<Answer> out)
            throws IOException {
        long[] before = state.value();
        Buckets buckets = before == null ? new Buckets() : new Buckets(before);
        float[] row = buckets.add(event);
        state.update(buckets.values());
        out.collect(Answer.to(event, row, forest.score(row)));
    }

    @Override
    public void close() {
        if (forest != null) {
            forest.close();
        }
    }
}
