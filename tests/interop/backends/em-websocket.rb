# Backend peer: Ruby's em-websocket. Argument: the one dialect it serves, `hixie-75`, `hixie-76`,
# `hybi-03`, `hybi-05` to `hybi-08` or `rfc6455`; the library would take any that it knows, so the
# others are refused here, in its own way: it ends TCP without an answer.

require 'base64'
require 'em-websocket'
require 'em-websocket/version'
require 'json'
require 'uri'

SUBPROTOCOL = 'interop.v1'
SET_COOKIE = 'interop_backend=oven'

DIALECT = ARGV[0]
VERSION = {
  'hixie-75' => 75, 'hixie-76' => 76, 'hybi-03' => 3, 'hybi-05' => 5, 'hybi-06' => 6,
  'hybi-07' => 7, 'hybi-08' => 8, 'rfc6455' => 13
}.fetch(DIALECT)
# Draft 03 kept the number of 02.
NUMBERS = VERSION == 3 ? [2, 3] : [VERSION]
HIXIE = VERSION > 13

$stdout.sync = true

# Tells the runner what this peer saw.
def tell(event, fields)
  puts JSON.generate({ event: event, **fields })
end

# What the library's handshake has no option for: to refuse a draft, to select a subprotocol, to set
# a cookie. In Hixie-76, and hybi-03 which opens so, it selects whatever is offered by itself, in the
# others nothing.
module Manners
  attr_reader :subprotocol

  def succeed(answer, handler)
    unless NUMBERS.include?(protocol_version)
      raise EventMachine::WebSocket::HandshakeError, "refused version #{protocol_version}"
    end
    super(answer.sub("\r\n\r\n") { "\r\n#{fields.join("\r\n")}\r\n\r\n" }, handler)
  end

  def target
    parser.request_url
  end

  private

  def fields
    name = VERSION == 75 ? 'WebSocket-Protocol' : 'Sec-WebSocket-Protocol'
    offered = (headers_downcased[name.downcase] || '').split(/,\s*/)
    @subprotocol = offered.include?(SUBPROTOCOL) ? SUBPROTOCOL : ''
    selected = @subprotocol.empty? || [76, 3].include?(VERSION) ? [] : ["#{name}: #{@subprotocol}"]
    selected + ["Set-Cookie: #{SET_COOKIE}"]
  end
end

EventMachine::WebSocket::Handshake.prepend(Manners)

# One connection.
class Served < EventMachine::WebSocket::Connection
  @all = {}

  class << self
    attr_reader :all
  end

  def initialize(options)
    super
    onopen { |handshake| open(handshake) }
    onmessage { |text| echo({ text: text }) { send_text(text) } }
    onbinary { |bytes| echo({ binary: Base64.strict_encode64(bytes) }) { send_binary(bytes) } }
    onpong { |bytes| tell('pong', id: @id, base64: Base64.strict_encode64(bytes)) }
    onerror { |error| tell('note', note: error.message) }
    onclose { |info| tell('close', id: @id, **end_of(info)) }
  end

  def close(code, reason)
    @own = true
    # As bytes: the library cannot join a reason in UTF-8 to the two of the code.
    super(code, reason.b)
  end

  # In Hixie-76 the library is `closing` when it got `FF 00`, and tells nobody.
  def unbind
    @heard_close = state == :closing
    super
  end

  private

  def open(handshake)
    @id = Served.all.size + 1
    Served.all[@id] = self
    headers = handshake.headers_downcased
    tell('open', id: @id, target: handshake.target, host: headers['host'], origin: handshake.origin || '',
                 cookie: headers['cookie'] || '', protocol: handshake.subprotocol)
    greeting = URI.decode_www_form(handshake.query_string).assoc('greet')
    send_text(greeting.last) if greeting
  end

  def echo(content)
    tell('message', id: @id, **content)
    yield
  end

  def end_of(info)
    return { how: @own ? 'own' : @heard_close ? 'ff00' : 'tcp' } if HIXIE
    return { how: info[:was_clean] ? 'frame' : 'tcp' } if VERSION < 6

    { code: info[:code], reason: (info[:reason] || '').dup.force_encoding('UTF-8') }
  end
end

COMMANDS = {
  'send' => ->(command) { Served.all[command['id']].send_text(command['text']) },
  'ping' => ->(command) { Served.all[command['id']].ping(Base64.strict_decode64(command['base64'])) },
  'close' => ->(command) { Served.all[command['id']].close(command['code'], command['reason']) }
}.freeze

def obey
  $stdin.each_line do |line|
    command = JSON.parse(line)
    EM.schedule { COMMANDS.fetch(command['do']).call(command) }
  end
  EM.schedule { EM.stop }
end

EM.run do
  server = EM.start_server('127.0.0.1', 0, Served, {})
  port, = Socket.unpack_sockaddr_in(EM.get_sockname(server))
  # Its close() ends TCP without `FF 00`.
  closing = DIALECT == 'hixie-76' ? { closing: 'tcp' } : {}
  tell('ready', peer: "em-websocket #{EventMachine::Websocket::VERSION}", dialect: DIALECT, port: port, **closing,
                # In the Hixie drafts it reads and discards 80-frames, and has no way to send one.
                can: HIXIE ? [] : %w[binary ping])
  Thread.new { obey }
end
