// The peer's end of the contract in ../README.md: one JSON object a line, events out on stdout,
// commands in on stdin.

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.netty.util.Version;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

final class Contract {
    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();
    // Not System.out: its charset is the machine's.
    private static final PrintStream OUT = new PrintStream(
            new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);

    private Contract() {}

    /** What this peer saw: a name and its fields, told to the runner by {@link #say}. */
    static final class Event {
        private final Map<String, Object> fields = new LinkedHashMap<>();

        Event(String name) {
            with("event", name);
        }

        Event with(String field, Object value) {
            fields.put(field, value);
            return this;
        }

        void say() {
            OUT.println(GSON.toJson(fields));
            OUT.flush();
        }
    }

    /** The first event of a peer; a client and a backend each add their own fields. */
    static Event ready(Dialect dialect) {
        Version netty = Version.identify().get("netty-codec-http");
        return new Event("ready")
                .with("peer", "Netty " + netty.artifactVersion())
                .with("dialect", dialect.label);
    }

    static void note(Throwable cause) {
        new Event("note").with("note", cause.toString()).say();
    }

    /**
     * Lets {@code executor} run the one of {@code commands} that each line names. Ends the process
     * at the end of stdin: a peer must not outlive the run.
     */
    static void obey(Map<String, Consumer<JsonObject>> commands, Executor executor)
            throws IOException {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            JsonObject command = JsonParser.parseString(line).getAsJsonObject();
            String name = command.get("do").getAsString();
            executor.execute(() -> commands.get(name).accept(command));
        }
        System.exit(0);
    }
}
