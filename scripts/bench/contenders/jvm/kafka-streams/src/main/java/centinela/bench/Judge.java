package centinela.bench;

import centinela.bench.j1.Answer;
import centinela.bench.j1.Buckets;
import centinela.bench.j1.Event;
import centinela.bench.j1.Forest;
import centinela.bench.j1.Settings;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** One event: its client's buckets out of the store, and back; the row to the forest. */
final class Judge implements Processor<String, Event, String, Answer> {
    private ProcessorContext<String, Answer> context;
    private KeyValueStore<String, Buckets> store;
    private Forest forest;

    @Override
    public void init(ProcessorContext<String, Answer> context) {
        this.context = context;
        store = context.getStateStore(StreamsJob.STORE);
        forest = new Forest(Settings.of("model"));
    }

    @Override
    public void process(Record<String, Event> record) {
        Buckets buckets = store.get(record.key());
        if (buckets == null) {
            buckets = new Buckets();
        }
        float[] row = buckets.add(record.value());
        store.put(record.key(), buckets);
        context.forward(record.withValue(Answer.to(record.value(), row, forest.score(row))));
    }

    @Override
    public void close() {
        forest.close();
    }
}
