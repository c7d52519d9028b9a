package centinela.bench.j1;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;

/** What is said about an event. */
@JsonPropertyOrder({"event_id", "client_ip", "count", "score", "action"})
public class Answer {
    private static final double ALERT = Double.parseDouble(Settings.of("alert"));

    @JsonProperty("event_id")
    public String eventId;

    @JsonProperty("client_ip")
    public String clientIp;

    public long count;
    public float score;
    public String action;

    public static Answer to(Event event, float[] row, float score) {
        Answer answer = new Answer();
        answer.eventId = event.eventId;
        answer.clientIp = event.clientIp;
        answer.count = (long) row[0];
        answer.score = score;
        answer.action = score >= ALERT ? "alert" : "allow";
        return answer;
    }
}
