// Netty's Hixie-76 decoder without the one fault that no conversation could live with: of a text
// that has not come as a whole it forgets the type byte, and takes a byte of the text for the type.

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.http.websocketx.WebSocket00FrameDecoder;
import java.util.List;

final class WholeTextDecoder extends WebSocket00FrameDecoder {
    private WholeTextDecoder() {
        super(Conversation.LONGEST);
    }

    /** Takes the place of the decoder that a handshaker of Netty has put in. */
    static void mend(ChannelPipeline pipeline) {
        if (pipeline.get(WebSocket00FrameDecoder.class) == null) return;
        pipeline.replace(WebSocket00FrameDecoder.class, "whole", new WholeTextDecoder());
    }

    @Override
    protected void decode(ChannelHandlerContext context, ByteBuf in, List<Object> out)
            throws Exception {
        super.decode(context, in, out);
        // Asked for more than there is, a ReplayingDecoder begins again with the next read.
        if (out.isEmpty()) in.skipBytes(Integer.MAX_VALUE);
    }
}
