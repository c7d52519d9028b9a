package centinela.bench.j1;

/** What the forest reads: count, mean bytes, share of errors. */
public final class Row {
    private Row() {}

    public static float[] of(long count, long bytes, long errors) {
        double events = count;
        return new float[] {count, (float) (bytes / events), (float) (errors / events)};
    }
}
