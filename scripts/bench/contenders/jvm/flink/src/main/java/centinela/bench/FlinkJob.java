package centinela.bench;

import centinela.bench.j1.Answer;
import centinela.bench.j1.Event;
import centinela.bench.j1.Json;
import centinela.bench.j1.Settings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.JobManagerOptions;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** `FlinkJob hashmap|rocksdb`: one TaskManager with one slot, in this process. */
public final class FlinkJob {
    private static final Duration CHECKPOINTS = Duration.ofSeconds(5);
    private static final String LOOPBACK = "127.0.0.1";

    private FlinkJob() {}

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(1, settings(arguments[0]));
        environment.enableCheckpointing(CHECKPOINTS.toMillis());
        environment.getConfig().enableObjectReuse();
        environment
                .fromSource(source(), WatermarkStrategy.noWatermarks(), "events")
                .keyBy(event -> event.clientIp)
                .process(new Judge())
                .sinkTo(sink());
        environment.execute("j1");
    }

    private static Configuration settings(String backend) throws IOException {
        Configuration configuration = new Configuration();
        configuration.set(StateBackendOptions.STATE_BACKEND, backend);
        Path checkpoints = Path.of(Settings.of("folder"), "checkpoints");
        configuration.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, checkpoints.toUri().toString());
        configuration.set(
                CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
                ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        newest(checkpoints)
                .ifPresent(
                        path -> configuration.set(StateRecoveryOptions.SAVEPOINT_PATH, path));
        configuration.set(RestOptions.BIND_PORT, "0");
        configuration.set(RestOptions.BIND_ADDRESS, LOOPBACK);
        configuration.set(JobManagerOptions.BIND_HOST, LOOPBACK);
        configuration.set(TaskManagerOptions.BIND_HOST, LOOPBACK);
        return configuration;
    }

    /** The checkpoint that a job which was killed has completed last, as its cluster would know. */
    private static Optional<String> newest(Path checkpoints) throws IOException {
        if (!Files.exists(checkpoints)) {
            return Optional.empty();
        }
        try (Stream<Path> found = Files.walk(checkpoints)) {
            return found.filter(path -> path.endsWith("_metadata"))
                    .max(Comparator.comparingLong(path -> path.toFile().lastModified()))
                    .map(path -> path.getParent().toUri().toString());
        }
    }

    private static KafkaSource<Event> source() {
        return KafkaSource.<Event>builder()
                .setBootstrapServers(Settings.of("kafka"))
                .setTopics(Settings.of("in_topic"))
                .setGroupId(Settings.of("group"))
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setValueOnlyDeserializer(new Events())
                .build();
    }

    private static KafkaSink<Answer> sink() {
        return KafkaSink.<Answer>builder()
                .setBootstrapServers(Settings.of("kafka"))
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
                .setRecordSerializer(
                        KafkaRecordSerializationSchema.<Answer>builder()
                                .setTopic(Settings.of("out_topic"))
                                .setKeySerializationSchema(new Keys())
                                .setValueSerializationSchema(new Answers())
                                .build())
                .build();
    }

    private static final class Events extends AbstractDeserializationSchema<Event> {
        Events() {
            super(Event.class);
        }

        /** Null is skipped. */
        @Override
        public Event deserialize(byte[] encoded) {
            try {
                return Json.event(encoded);
            } catch (UncheckedIOException malformed) {
                return null;
            }
        }
    }

    private static final class Keys implements SerializationSchema<Answer> {
        @Override
        public byte[] serialize(Answer answer) {
            return answer.clientIp.getBytes(StandardCharsets.UTF_8);
        }
    }

    private static final class Answers implements SerializationSchema<Answer> {
        @Override
        public byte[] serialize(Answer answer) {
            return Json.encoded(answer);
        }
    }
}
