// One open connection, seen from either end: says what comes in, and how it ends.

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.websocketx.BinaryWebSocketFrame;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PingWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PongWebSocketFrame;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.netty.handler.codec.http.websocketx.Utf8FrameValidator;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrameAggregator;
import java.util.Base64;

abstract class Conversation extends SimpleChannelInboundHandler<WebSocketFrame> {
    /** For frames and for messages: more than the longest message of the conversations. */
    static final int LONGEST = 2 << 20;

    final Dialect dialect;
    final Channel channel;
    private boolean closing;
    // Until a close comes: the stream just ended.
    private int code = 1006;
    private String reason = "";
    private String how = "tcp";

    Conversation(Dialect dialect, Channel channel) {
        this.dialect = dialect;
        this.channel = channel;
    }

    /** An event of this connection. */
    abstract Contract.Event event(String name);

    /** A message has come and has been said. */
    abstract void heard(WebSocketFrame message);

    /** The other end closes first; {@code frame} is the answer to give. */
    abstract void answer(CloseWebSocketFrame frame);

    void join(ChannelPipeline pipeline) {
        var aggregator = new WebSocketFrameAggregator(LONGEST);
        pipeline.addLast(new Utf8FrameValidator(), aggregator, this);
    }

    void send(String text) {
        channel.writeAndFlush(new TextWebSocketFrame(text));
    }

    void sendBinary(String base64) {
        channel.writeAndFlush(new BinaryWebSocketFrame(bytes(base64)));
    }

    void ping(String base64) {
        channel.writeAndFlush(new PingWebSocketFrame(bytes(base64)));
    }

    /**
     * Closes by a frame and waits for the answer. {@code WebSocketServerHandshaker.close} would end
     * TCP behind the frame, and the answer be lost.
     */
    void close(int code, String reason) {
        closing = true;
        how = "own";
        channel.writeAndFlush(dialect.isHixie()
                ? new CloseWebSocketFrame()
                : new CloseWebSocketFrame(code, reason));
    }

    /** Drops TCP; says nothing more. */
    void leave() {
        // Closed already, and said so. A channel that is no more active may not have said it yet.
        if (channel.pipeline().context(this) == null) return;
        channel.pipeline().remove(this);
        channel.close();
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, WebSocketFrame frame) {
        if (frame instanceof TextWebSocketFrame) {
            event("message").with("text", ((TextWebSocketFrame) frame).text()).say();
            heard(frame);
        } else if (frame instanceof BinaryWebSocketFrame) {
            event("message").with("binary", base64(frame.content())).say();
            heard(frame);
        } else if (frame instanceof PingWebSocketFrame) {
            channel.writeAndFlush(new PongWebSocketFrame(frame.content().retain()));
        } else if (frame instanceof PongWebSocketFrame) {
            event("pong").with("base64", base64(frame.content())).say();
        } else if (frame instanceof CloseWebSocketFrame) {
            heardClose((CloseWebSocketFrame) frame);
        }
    }

    private void heardClose(CloseWebSocketFrame frame) {
        code = frame.statusCode() == -1 ? 1005 : frame.statusCode();
        reason = frame.reasonText();
        if (closing) {
            channel.close();
        } else {
            closing = true;
            how = "ff00";
            answer(frame.retain());
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        Contract.Event close = event("close");
        if (dialect.isHixie()) close.with("how", how);
        else close.with("code", code).with("reason", reason);
        close.say();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        Contract.note(cause);
        channel.close();
    }

    private static ByteBuf bytes(String base64) {
        return Unpooled.wrappedBuffer(Base64.getDecoder().decode(base64));
    }

    private static String base64(ByteBuf bytes) {
        return Base64.getEncoder().encodeToString(ByteBufUtil.getBytes(bytes));
    }
}
