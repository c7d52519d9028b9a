package centinela.bench.j1;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.time.Instant;

/** What the job needs of an access event. Public fields, so that Flink too knows it as a POJO. */
@JsonIgnoreProperties(ignoreUnknown = true)
public class Event {
    @JsonProperty("event_id")
    public String eventId;

    @JsonProperty("occurred_at")
    public String occurredAt;

    @JsonProperty("client_ip")
    public String clientIp;

    public int status;
    public long bytes;

    /** The minute of event time since 1970. */
    public long minute() {
        return Math.floorDiv(Instant.parse(occurredAt).getEpochSecond(), 60L);
    }
}
