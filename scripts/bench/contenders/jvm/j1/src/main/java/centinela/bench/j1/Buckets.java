package centinela.bench.j1;

import java.nio.ByteBuffer;

/** A client's ten buckets of one minute: each its minute, events, bytes and errors. */
public final class Buckets {
    public static final int COUNT = 10;
    private static final int FIELDS = 4;

    private final long[] values;

    public Buckets() {
        this(new long[COUNT * FIELDS]);
    }

    /** Over the values of others; they are changed by `add`. */
    public Buckets(long[] values) {
        this.values = values;
    }

    public long[] values() {
        return values;
    }

    /** Add an event, and take the row of the ten minutes that end with its own. */
    public float[] add(Event event) {
        long minute = event.minute();
        int at = FIELDS * Math.floorMod(minute, COUNT);
        if (values[at] != minute) {
            values[at] = minute;
            values[at + 1] = values[at + 2] = values[at + 3] = 0;
        }
        values[at + 1] += 1;
        values[at + 2] += event.bytes;
        values[at + 3] += event.status >= 400 ? 1 : 0;
        long count = 0;
        long bytes = 0;
        long errors = 0;
        for (int first = 0; first < values.length; first += FIELDS) {
            if (values[first] > minute - COUNT) {
                count += values[first + 1];
                bytes += values[first + 2];
                errors += values[first + 3];
            }
        }
        return Row.of(count, bytes, errors);
    }

    public byte[] encoded() {
        ByteBuffer buffer = ByteBuffer.allocate(Long.BYTES * values.length);
        buffer.asLongBuffer().put(values);
        return buffer.array();
    }

    public static Buckets decoded(byte[] encoded) {
        long[] values = new long[COUNT * FIELDS];
        ByteBuffer.wrap(encoded).asLongBuffer().get(values);
        return new Buckets(values);
    }
}
