package centinela.bench;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.from_json;

import centinela.bench.j1.Settings;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.OutputMode;
import org.apache.spark.sql.streaming.TimeMode;
import org.apache.spark.sql.types.StructType;

/** `SparkJob`: micro-batches over one core, state in RocksDB with a changelog. */
public final class SparkJob {
    private static final StructType EVENT =
            new StructType()
                    .add("event_id", "string")
                    .add("occurred_at", "string")
                    .add("client_ip", "string")
                    .add("status", "int")
                    .add("bytes", "long");
    private static final String RECORDS_A_BATCH = "50000";

    private SparkJob() {}

    public static void main(String[] arguments) throws Exception {
        events(session())
                .groupByKey((MapFunction<Row, String>) row -> row.getString(2), Encoders.STRING())
                .transformWithState(
                        new Judge(Settings.of("model")),
                        TimeMode.None(),
                        OutputMode.Append(),
                        Encoders.tuple(Encoders.STRING(), Encoders.BINARY()))
                .toDF("key", "value")
                .writeStream()
                .format("kafka")
                .option("kafka.bootstrap.servers", Settings.of("kafka"))
                .option("topic", Settings.of("out_topic"))
                .option("checkpointLocation", Settings.of("folder") + "/checkpoints")
                .start()
                .awaitTermination();
    }

    private static Dataset<Row> events(SparkSession spark) {
        return spark.readStream()
                .format("kafka")
                .option("kafka.bootstrap.servers", Settings.of("kafka"))
                .option("subscribe", Settings.of("in_topic"))
                .option("startingOffsets", "earliest")
                .option("maxOffsetsPerTrigger", RECORDS_A_BATCH)
                .load()
                .select(from_json(col("value").cast("string"), EVENT).as("event"))
                .select("event.*");
    }

    private static SparkSession session() {
        String stores = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider";
        return SparkSession.builder()
                .appName("j1")
                .master("local[1]")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.ui.enabled", "false")
                .config("spark.log.level", "WARN")
                .config("spark.sql.shuffle.partitions", "1")
                .config("spark.local.dir", Settings.of("folder"))
                .config("spark.sql.streaming.stateStore.providerClass", stores)
                .config(
                        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled",
                        "true")
                .getOrCreate();
    }
}
