package centinela.bench.j1;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Map;

/** The fused forest on one thread; an instance is used by one thread. */
public final class Forest implements AutoCloseable {
    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
    private final OrtSession session;
    private final FloatBuffer row =
            ByteBuffer.allocateDirect(3 * Float.BYTES).order(ByteOrder.nativeOrder()).asFloatBuffer();
    private final OnnxTensor tensor;
    private final Map<String, OnnxTensor> inputs;

    public Forest(String path) {
        try {
            OrtSession.SessionOptions options = new OrtSession.SessionOptions();
            options.setIntraOpNumThreads(1);
            options.setInterOpNumThreads(1);
            session = environment.createSession(path, options);
            // Over a direct buffer, so the tensor sees what is written into it later.
            tensor = OnnxTensor.createTensor(environment, row, new long[] {1, 3});
            inputs = Map.of("row", tensor);
        } catch (OrtException error) {
            throw new IllegalStateException(error);
        }
    }

    public float score(float[] values) {
        row.put(0, values);
        try (OrtSession.Result result = session.run(inputs)) {
            return ((OnnxTensor) result.get(0)).getFloatBuffer().get(0);
        } catch (OrtException error) {
            throw new IllegalStateException(error);
        }
    }

    @Override
    public void close() {
        try {
            tensor.close();
            session.close();
        } catch (OrtException error) {
            throw new IllegalStateException(error);
        }
    }
}
