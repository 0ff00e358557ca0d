//DEPS org.apache.kafka:kafka-clients:4.3.1
//DEPS com.fasterxml.jackson.core:jackson-databind:2.21.2

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Consume Stripe's events, each once; then send a command and wait for its result.
 *
 * <pre>KAFKA_BOOTSTRAP_SERVERS=localhost:9092 CONNECTION=acme jbang StripelineExample.java</pre>
 */
public final class StripelineExample {
    static final String SERVERS = setting("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092");
    static final String PREFIX = setting("TOPIC_PREFIX", "stripe.");
    static final String CONNECTION = setting("CONNECTION", "acme");
    static final int EVENTS = Integer.parseInt(setting("EVENTS", "3"));
    static final Duration TIMEOUT = Duration.ofSeconds(Integer.parseInt(setting("TIMEOUT_S", "60")));
    static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) {
        try {
            System.exit(run());
        } catch (Exception failure) {
            System.err.println("failed: " + failure.getMessage());
            System.exit(1);
        }
    }

    static int run() throws Exception {
        consume(PREFIX + "payment-event", EVENTS);
        // Choose the id and keep it before you send: sending the same command again is then always safe.
        var id = "crm-" + UUID.randomUUID();
        var input = Map.of("email", "ada@example.com", "name", "Ada Lovelace");
        var command = Map.of(
            "command_id", id, "action", "stripe/create-customer", "connection", CONNECTION, "input", input);
        var result = sendAndWait(id, "crm-user-4711", JSON.writeValueAsString(command));
        var status = result.get("status").asText();
        var error = result.path("error");
        var detail = status.equals("succeeded")
            ? result.path("output").path("id").asText()
            : error.path("code").asText() + " " + error.path("message").asText();
        System.out.println("result    " + id + " " + status + " " + detail);
        return status.equals("succeeded") ? 0 : 1;
    }

    /** Handle this many new events. Stripe may send one twice, and so may Kafka: an id tells. */
    static void consume(String topic, int count) throws Exception {
        Set<String> known = new HashSet<>(); // Yours outlives the process: a unique column, written with what you do.
        var deadline = Instant.now().plus(TIMEOUT);
        try (var consumer = consumer("crm-payments-java")) {
            consumer.subscribe(List.of(topic));
            while (known.size() < count) {
                for (var record : poll(consumer, deadline, (count - known.size()) + " more events on " + topic)) {
                    var event = JSON.readTree(record.value());
                    var id = event.get("id").asText();
                    if (known.size() == count) break;
                    if (known.add(id)) {
                        var about = event.get("data").get("id").asText();
                        System.out.println("event     " + id + " " + event.get("type").asText() + " " + about);
                    } else {
                        System.out.println("again     " + id);
                    }
                    // After each for clarity; after a batch for speed.
                    var place = new TopicPartition(record.topic(), record.partition());
                    consumer.commitSync(Map.of(place, new OffsetAndMetadata(record.offset() + 1)));
                }
            }
        }
    }

    /** Commands of one key are done in their order. The result has the command's id. */
    static JsonNode sendAndWait(String id, String key, String command) throws Exception {
        var topic = PREFIX + "action-result";
        try (var results = consumer("crm-results-java")) { // assigned by hand: it joins no group
            // Stand at the end of the results before the command is sent, and its result can't be missed.
            var places = results.partitionsFor(topic).stream()
                .map(one -> new TopicPartition(topic, one.partition())).toList();
            results.assign(places);
            results.endOffsets(places).forEach(results::seek);
            send(PREFIX + "action-command", key, command);
            System.out.println("command   " + id + " stripe/create-customer");
            var deadline = Instant.now().plus(TIMEOUT);
            while (true) {
                for (var record : poll(results, deadline, "a result of " + id)) {
                    var result = JSON.readTree(record.value());
                    if (result.get("command_id").asText().equals(id)) return result;
                }
            }
        }
    }

    /** Return when every replica has it. The client's own partitioner is murmur2: keep to it. */
    static void send(String topic, String key, String value) throws Exception {
        Map<String, Object> sure = Map.of("bootstrap.servers", SERVERS, "acks", "all", "enable.idempotence", true);
        try (var producer = new KafkaProducer<>(sure, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>(topic, key, value)).get();
        }
    }

    static KafkaConsumer<String, String> consumer(String group) {
        Map<String, Object> options = new HashMap<>(Map.of("bootstrap.servers", SERVERS, "group.id", group));
        options.put("enable.auto.commit", false); // an offset is committed by us, after the work
        options.put("auto.offset.reset", "earliest");
        options.put("isolation.level", "read_committed"); // what a transaction took back is not read
        return new KafkaConsumer<>(options, new StringDeserializer(), new StringDeserializer());
    }

    static Iterable<ConsumerRecord<String, String>> poll(
            KafkaConsumer<String, String> consumer, Instant deadline, String wanted) throws TimeoutException {
        while (Instant.now().isBefore(deadline)) {
            var records = consumer.poll(Duration.ofMillis(500));
            if (!records.isEmpty()) return records;
        }
        throw new TimeoutException("waited " + TIMEOUT.toSeconds() + " s for " + wanted);
    }

    static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }
}
