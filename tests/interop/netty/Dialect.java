// The dialects that Netty has a handshaker for, by the names of the contract.

import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.websocketx.WebSocketVersion;
import io.netty.util.AsciiString;

enum Dialect {
    HIXIE_76("hixie-76", WebSocketVersion.V00, HttpHeaderNames.ORIGIN),
    HYBI_07("hybi-07", WebSocketVersion.V07, HttpHeaderNames.SEC_WEBSOCKET_ORIGIN),
    HYBI_08("hybi-08", WebSocketVersion.V08, HttpHeaderNames.SEC_WEBSOCKET_ORIGIN),
    RFC6455("rfc6455", WebSocketVersion.V13, HttpHeaderNames.ORIGIN);

    final String label;
    final WebSocketVersion version;
    final AsciiString originField;

    Dialect(String label, WebSocketVersion version, AsciiString originField) {
        this.label = label;
        this.version = version;
        this.originField = originField;
    }

    static Dialect named(String label) {
        for (Dialect dialect : values()) {
            if (dialect.label.equals(label)) return dialect;
        }
        throw new IllegalArgumentException("no dialect of Netty: " + label);
    }

    /** Netty takes every request without a version for {@code V00}, also one of Hixie-75. */
    boolean isOf(FullHttpRequest request) {
        HttpHeaders fields = request.headers();
        if (isHixie()) {
            return !fields.contains(HttpHeaderNames.SEC_WEBSOCKET_VERSION)
                    && fields.contains(HttpHeaderNames.SEC_WEBSOCKET_KEY1);
        }
        return fields.contains(
                HttpHeaderNames.SEC_WEBSOCKET_VERSION, version.toHttpHeaderValue(), false);
    }

    boolean isHixie() {
        return this == HIXIE_76;
    }
}
