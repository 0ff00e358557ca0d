import static java.net.http.HttpResponse.BodyHandlers.ofByteArray;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Confluent's Parallel Consumer on the executor's job: ordered by key, 256 calls at a time, results and offsets in one
 * transaction. No retries over topics, no dead letters, no rate limits, no state by command: a command that comes twice
 * is called twice. It runs until it is killed.
 */
public final class ParallelConsumerWorker {
    private static final int IN_FLIGHT = 256;
    /** A result can be read after the commit. The default of 5 s is long to wait for one. */
    private static final Duration COMMIT_INTERVAL = Duration.ofSeconds(1);

    private final ObjectMapper json = new ObjectMapper();
    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final String results;
    private final URI stripe;

    private ParallelConsumerWorker(String results, URI stripe) {
        this.results = results;
        this.stripe = stripe;
    }

    public static void main(String[] arguments) {
        String servers = arguments[0], commands = arguments[1], results = arguments[2];
        var worker = new ParallelConsumerWorker(results, URI.create(arguments[3] + "/v1/payment_intents"));
        Map<String, Object> reads = Map.of("bootstrap.servers", servers, "group.id", "parallel-consumer",
            "enable.auto.commit", false, "auto.offset.reset", "earliest", "isolation.level", "read_committed");
        Map<String, Object> writes = Map.of("bootstrap.servers", servers, "transactional.id", commands, "acks", "all");
        var options = ParallelConsumerOptions.<byte[], byte[]>builder()
            .ordering(ProcessingOrder.KEY)
            .maxConcurrency(IN_FLIGHT)
            .commitMode(CommitMode.PERIODIC_TRANSACTIONAL_PRODUCER)
            .commitInterval(COMMIT_INTERVAL)
            .consumer(new KafkaConsumer<>(reads, new ByteArrayDeserializer(), new ByteArrayDeserializer()))
            .producer(new KafkaProducer<>(writes, new ByteArraySerializer(), new ByteArraySerializer()))
            .build();
        var processor = ParallelStreamProcessor.createEosStreamProcessor(options);
        processor.subscribe(List.of(commands));
        processor.pollAndProduce(context -> worker.carryOut(context.getSingleConsumerRecord()));
    }

    private ProducerRecord<byte[], byte[]> carryOut(ConsumerRecord<byte[], byte[]> record) {
        try {
            JsonNode command = json.readTree(record.value());
            String id = command.get("command_id").asText();
            var request = HttpRequest.newBuilder(stripe)
                .timeout(Duration.ofSeconds(30))
                .header("Authorization", "Bearer sk_test_bench")
                .header("Stripe-Version", "2026-06-24.dahlia")
                .header("Content-Type", "application/x-www-form-urlencoded")
                .header("Idempotency-Key", id)
                .POST(BodyPublishers.ofString(form(command.get("input"), id)))
                .build();
            JsonNode made = json.readTree(http.send(request, ofByteArray()).body());
            var output = Map.of("id", made.get("id").asText(), "status", made.get("status").asText());
            var result = Map.of("command_id", id, "status", "succeeded", "output", output);
            return new ProducerRecord<>(results, record.key(), json.writeValueAsBytes(result));
        } catch (java.io.IOException | InterruptedException error) {
            throw new IllegalStateException(error); // Parallel Consumer tries the record again
        }
    }

    private static String form(JsonNode input, String commandId) {
        var text = new StringBuilder("metadata%5Bcommand%5D=").append(quoted(commandId));
        input.properties().forEach(field ->
            text.append('&').append(quoted(field.getKey())).append('=').append(quoted(field.getValue().asText())));
        return text.toString();
    }

    private static String quoted(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
