package centinela.bench;

import centinela.bench.j1.Answer;
import centinela.bench.j1.Buckets;
import centinela.bench.j1.Event;
import centinela.bench.j1.Json;
import centinela.bench.j1.Settings;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.LogAndContinueExceptionHandler;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** `StreamsJob rocksdb|memory at_least_once|exactly_once_v2`: a processor over one keyed store. */
public final class StreamsJob {
    static final String STORE = "buckets";

    private StreamsJob() {}

    public static void main(String[] arguments) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(store(arguments[0]));
        builder.stream(Settings.of("in_topic"), Consumed.with(Serdes.String(), events()))
                .process(Judge::new, STORE)
                .to(Settings.of("out_topic"), Produced.with(Serdes.String(), answers()));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings(arguments[1]));
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    /** Both kinds are written to a changelog topic too. */
    private static StoreBuilder<KeyValueStore<String, Buckets>> store(String kind) {
        return Stores.keyValueStoreBuilder(
                        kind.equals("rocksdb")
                                ? Stores.persistentKeyValueStore(STORE)
                                : Stores.inMemoryKeyValueStore(STORE),
                        Serdes.String(),
                        Serdes.serdeFrom(
                                (topic, buckets) -> buckets == null ? null : buckets.encoded(),
                                (topic, bytes) -> bytes == null ? null : Buckets.decoded(bytes)))
                .withCachingEnabled();
    }

    private static Serde<Event> events() {
        return Serdes.serdeFrom((topic, event) -> null, (topic, bytes) -> Json.event(bytes));
    }

    private static Serde<Answer> answers() {
        return Serdes.serdeFrom((topic, answer) -> Json.encoded(answer), (topic, bytes) -> null);
    }

    private static Properties settings(String guarantee) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, Settings.of("group"));
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, Settings.of("kafka"));
        properties.put(StreamsConfig.STATE_DIR_CONFIG, Settings.of("folder") + "/state");
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
        properties.put(
                StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG,
                LogAndContinueExceptionHandler.class);
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        return properties;
    }
}
