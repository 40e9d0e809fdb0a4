// Client peer: Netty, in the dialect named by the argument. Holds one connection after another.

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultHttpHeaders;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketClientHandshaker;
import io.netty.handler.codec.http.websocketx.WebSocketClientHandshakerFactory;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

final class Client {
    private static final String ORIGIN = "http://interop.example";

    private final Dialect dialect;
    private final EventLoopGroup loop = new NioEventLoopGroup(1);
    private Conversation conversation;

    private Client(Dialect dialect) {
        this.dialect = dialect;
    }

    public static void main(String[] arguments) throws Exception {
        new Client(Dialect.named(arguments[0])).run();
    }

    private void run() throws Exception {
        Contract.ready(dialect)
                .with("origin", ORIGIN)
                .with("can", dialect.isHixie()
                        ? List.of("binary", "abort", "reset")
                        : List.of("binary", "ping", "abort", "reset"))
                .say();
        Map<String, Consumer<JsonObject>> commands = Map.of(
                "open", this::open,
                "send", command -> command.getAsJsonArray("texts")
                        .forEach(text -> conversation.send(text.getAsString())),
                "binary", command -> conversation.sendBinary(string(command, "base64")),
                "ping", command -> conversation.ping(string(command, "base64")),
                "close", command -> conversation.close(
                        command.get("code").getAsInt(), string(command, "reason")),
                "abort", command -> conversation.channel.close(),
                "reset", command -> reset());
        Contract.obey(commands, loop.next());
    }

    private void open(JsonObject command) {
        URI url = URI.create(string(command, "url"));
        String cookie = string(command, "cookie");
        HttpHeaders fields = new DefaultHttpHeaders().set(dialect.originField, ORIGIN);
        if (cookie != null) fields.set(HttpHeaderNames.COOKIE, cookie);
        String protocol = string(command, "protocol");
        WebSocketClientHandshaker handshaker = WebSocketClientHandshakerFactory.newHandshaker(
                url, dialect.version, protocol, false, fields, Conversation.LONGEST);
        new Bootstrap()
                .group(loop)
                .channel(NioSocketChannel.class)
                .handler(new ChannelInitializer<Channel>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        channel.pipeline().addLast(
                                new HttpClientCodec(),
                                new HttpObjectAggregator(8192),
                                new Opening(handshaker));
                        conversation = new ClientConversation(dialect, channel, handshaker);
                        conversation.join(channel.pipeline());
                    }
                })
                .connect(url.getHost(), url.getPort())
                .addListener(done -> {
                    if (!done.isSuccess()) Contract.note(done.cause());
                });
    }

    private void reset() {
        if (conversation != null) conversation.leave();
        new Contract.Event("reset").say();
    }

    /** Null where the field is absent. */
    private static String string(JsonObject command, String field) {
        JsonElement value = command.get(field);
        return value == null ? null : value.getAsString();
    }

    private static final class Opening extends SimpleChannelInboundHandler<FullHttpResponse> {
        private final WebSocketClientHandshaker handshaker;

        Opening(WebSocketClientHandshaker handshaker) {
            this.handshaker = handshaker;
        }

        @Override
        public void channelActive(ChannelHandlerContext context) {
            handshaker.handshake(context.channel());
        }

        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpResponse response) {
            handshaker.finishHandshake(context.channel(), response);
            WholeTextDecoder.mend(context.pipeline());
            String protocol = handshaker.actualSubprotocol();
            List<String> cookies = response.headers().getAll(HttpHeaderNames.SET_COOKIE);
            new Contract.Event("open")
                    .with("protocol", protocol == null ? "" : protocol)
                    .with("cookies", String.join("; ", cookies))
                    .say();
        }
    }

    private static final class ClientConversation extends Conversation {
        private final WebSocketClientHandshaker handshaker;

        ClientConversation(
                Dialect dialect, Channel channel, WebSocketClientHandshaker handshaker) {
            super(dialect, channel);
            this.handshaker = handshaker;
        }

        @Override
        Contract.Event event(String name) {
            return new Contract.Event(name);
        }

        @Override
        void heard(WebSocketFrame message) {}

        /** Leaves the end of TCP to the server; in Hixie-76 Netty's server leaves it to us. */
        @Override
        void answer(CloseWebSocketFrame frame) {
            ChannelFuture answered = handshaker.close(channel, frame);
            if (dialect.isHixie()) answered.addListener(done -> channel.close());
        }
    }
}
