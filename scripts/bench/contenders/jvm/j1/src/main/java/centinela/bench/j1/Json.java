package centinela.bench.j1;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;

/** Events and answers as JSON. */
public final class Json {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final ObjectReader EVENTS = MAPPER.readerFor(Event.class);
    private static final ObjectWriter ANSWERS = MAPPER.writerFor(Answer.class);

    private Json() {}

    public static Event event(byte[] encoded) {
        try {
            return EVENTS.readValue(encoded);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    public static byte[] encoded(Answer answer) {
        try {
            return ANSWERS.writeValueAsBytes(answer);
        } catch (JsonProcessingException error) {
            throw new UncheckedIOException(error);
        }
    }
}
