// Backend peer: Netty, serving the one dialect named by the argument; it refuses any other.

import com.google.gson.JsonObject;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpHeaders;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketServerHandshaker;
import io.netty.handler.codec.http.websocketx.WebSocketServerHandshakerFactory;
import io.netty.handler.flush.FlushConsolidationHandler;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

final class Backend {
    private static final String SUBPROTOCOL = "interop.v1";
    private static final String SET_COOKIE = "interop_backend=oven";

    private final Dialect dialect;
    private final EventLoopGroup loop = new NioEventLoopGroup(1);
    private final Map<Integer, Conversation> conversations = new HashMap<>();

    private Backend(Dialect dialect) {
        this.dialect = dialect;
    }

    public static void main(String[] arguments) throws Exception {
        new Backend(Dialect.named(arguments[0])).run();
    }

    private void run() throws Exception {
        Contract.ready(dialect)
                .with("port", listen())
                .with("can", dialect.isHixie()
                        ? List.of("binary", "binary unasked")
                        : List.of("binary", "binary unasked", "ping"))
                .say();
        Map<String, Consumer<JsonObject>> commands = Map.of(
                "send", command -> named(command).send(command.get("text").getAsString()),
                "binary", command -> named(command).sendBinary(command.get("base64").getAsString()),
                "ping", command -> named(command).ping(command.get("base64").getAsString()),
                "close", command -> named(command).close(
                        command.get("code").getAsInt(), command.get("reason").getAsString()));
        Contract.obey(commands, loop.next());
    }

    private Conversation named(JsonObject command) {
        return conversations.get(command.get("id").getAsInt());
    }

    private int listen() throws InterruptedException {
        Channel listener = new ServerBootstrap()
                .group(loop)
                .channel(NioServerSocketChannel.class)
                .childHandler(new ChannelInitializer<Channel>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        channel.pipeline().addLast(
                                // Handshake and greeting leave in one write.
                                new FlushConsolidationHandler(),
                                new HttpServerCodec(),
                                new HttpObjectAggregator(8192),
                                new Opening());
                    }
                })
                .bind("127.0.0.1", 0)
                .sync()
                .channel();
        return ((InetSocketAddress) listener.localAddress()).getPort();
    }

    private final class Opening extends SimpleChannelInboundHandler<FullHttpRequest> {
        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
            if (dialect.isOf(request)) accept(context, request);
            else refuse(context);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            Contract.note(cause);
            context.close();
        }

        private void accept(ChannelHandlerContext context, FullHttpRequest request) {
            Channel channel = context.channel();
            HttpHeaders fields = request.headers();
            String location = "ws://" + fields.get(HttpHeaderNames.HOST) + request.uri();
            WebSocketServerHandshaker handshaker = new WebSocketServerHandshakerFactory(
                    location, SUBPROTOCOL, false, Conversation.LONGEST).newHandshaker(request);
            HttpHeaders ours = new DefaultHttpHeaders().set(HttpHeaderNames.SET_COOKIE, SET_COOKIE);
            handshaker.handshake(channel, request, ours, channel.newPromise());
            WholeTextDecoder.mend(context.pipeline());

            int id = conversations.size() + 1;
            var conversation = new BackendConversation(dialect, channel, handshaker, id);
            conversations.put(id, conversation);
            String protocol = handshaker.selectedSubprotocol();
            conversation.event("open")
                    .with("target", request.uri())
                    .with("host", fields.get(HttpHeaderNames.HOST, ""))
                    .with("origin", fields.get(dialect.originField, ""))
                    .with("cookie", fields.get(HttpHeaderNames.COOKIE, ""))
                    .with("protocol", protocol == null ? "" : protocol)
                    .say();
            conversation.join(context.pipeline());
            context.pipeline().remove(this);
            Map<String, List<String>> query = new QueryStringDecoder(request.uri()).parameters();
            if (query.containsKey("greet")) conversation.send(query.get("greet").get(0));
        }

        /** So that {@code --backend-dialect auto} has something to find out. */
        private void refuse(ChannelHandlerContext context) {
            var refusal = new DefaultFullHttpResponse(
                    HttpVersion.HTTP_1_1, HttpResponseStatus.BAD_REQUEST, Unpooled.EMPTY_BUFFER);
            context.writeAndFlush(refusal).addListener(ChannelFutureListener.CLOSE);
        }
    }

    private static final class BackendConversation extends Conversation {
        private final WebSocketServerHandshaker handshaker;
        private final int id;

        BackendConversation(
                Dialect dialect, Channel channel, WebSocketServerHandshaker handshaker, int id) {
            super(dialect, channel);
            this.handshaker = handshaker;
            this.id = id;
        }

        @Override
        Contract.Event event(String name) {
            return new Contract.Event(name).with("id", id);
        }

        @Override
        void heard(WebSocketFrame message) {
            channel.writeAndFlush(message.retain());
        }

        /** Ends TCP behind the answer, but not in Hixie-76. */
        @Override
        void answer(CloseWebSocketFrame frame) {
            handshaker.close(channel, frame);
        }
    }
}
