package centinela.bench.j1;

/** What the harness starts a contender with: `BENCH_KAFKA`, `BENCH_IN_TOPIC`, ... */
public final class Settings {
    private Settings() {}

    public static String of(String name) {
        String value = System.getenv("BENCH_" + name.toUpperCase());
        if (value == null) {
            throw new IllegalStateException("BENCH_" + name.toUpperCase() + " is not set");
        }
        return value;
    }
}
