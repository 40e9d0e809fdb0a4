-- Shows the WebSocket drafts before hybi-07 in Wireshark and tshark: Hixie-75, Hixie-76 (which is
-- hybi-00) and hybi-01 to hybi-06. Versions 7, 8 and 13 are left to Wireshark's own dissector.
-- How to install and use it: docs/how-to/read-captures-in-wireshark.md.
--
-- The head of the request tells the draft. From then on the conversation belongs to this dissector,
-- which gives the heads to Wireshark's HTTP dissector and takes the rest apart. What it knows when a
-- run of bytes begins is kept by frame number, so that packets may be shown in any order later.

local wsdraft = Proto("wsdraft", "WebSocket draft")
-- Looks at conversations before HTTP does.
local NAME = "WSDRAFT_FRONT"
local front = Proto(NAME:lower(), "WebSocket draft, looked for")

local ONE_MORE_SEGMENT = 0x0fffffff -- DESEGMENT_ONE_MORE_SEGMENT of Wireshark.
local LONGEST_HEAD = 65536          -- More is no head of a handshake.

wsdraft.prefs.longest = Pref.uint("Longest frame put together (bytes)", 4194304,
  "A longer frame is not put together from its segments: where it goes on is told instead.")
wsdraft.prefs.ports = Pref.range("More TCP ports to look at", "",
  "The ports of HTTP and those that no protocol has are looked at without being named here.", 65535)

local f = {
  draft = ProtoField.string("wsdraft.draft", "Draft"),
  from = ProtoField.string("wsdraft.from", "From"),
  type = ProtoField.string("wsdraft.type", "Type"),
  fin = ProtoField.bool("wsdraft.fin", "Last frame of its message"),
  opcode = ProtoField.uint8("wsdraft.opcode", "Opcode", base.HEX),
  length = ProtoField.uint32("wsdraft.length", "Payload length", base.DEC),
  mask = ProtoField.bytes("wsdraft.mask", "Masking key"),
  masked = ProtoField.bytes("wsdraft.masked", "Masked frame"),
  payload = ProtoField.bytes("wsdraft.payload", "Payload"),
  text = ProtoField.string("wsdraft.text", "Text", base.UNICODE),
  binary = ProtoField.bytes("wsdraft.binary", "Binary"),
  close = ProtoField.bool("wsdraft.close", "Close"),
  code = ProtoField.uint16("wsdraft.close.code", "Code", base.DEC),
  reason = ProtoField.string("wsdraft.close.reason", "Reason", base.UNICODE),
  key3 = ProtoField.bytes("wsdraft.key3", "Key3"),
  answer = ProtoField.bytes("wsdraft.answer", "Answer to the keys"),
  rest = ProtoField.bytes("wsdraft.rest", "Bytes"),
}
wsdraft.fields = f

local e = {
  framing = ProtoExpert.new("wsdraft.framing", "These bytes break the framing of the draft",
    expert.group.MALFORMED, expert.severity.ERROR),
  utf8 = ProtoExpert.new("wsdraft.utf8", "Text is not UTF-8", expert.group.MALFORMED, expert.severity.WARN),
  part = ProtoExpert.new("wsdraft.part", "Only a part of a frame",
    expert.group.REASSEMBLE, expert.severity.NOTE),
}
wsdraft.experts = e

local http, http_tcp = Dissector.get("http"), Dissector.get("http-over-tcp") or Dissector.get("http")
local tcp_ports = DissectorTable.get("tcp.port")

-- By ports, lists: the fields of TCP are not there when packets are first read.
local conversations -- What is known of those that are ours.
local begun         -- The calls which may still be the beginning of a request.
local claimed = {}  -- By port: whose it was before, false for nobody's.

---- Bytes

local unpack = table.unpack or unpack -- Lua 5.2 and later, or 5.1.
local xor, band, bor, lshift, rol
do
  local bits = bit or bit32
  xor, band, bor, lshift, rol = bits.bxor, bits.band, bits.bor, bits.lshift, bits.rol or bits.lrotate
end

local function unmask(bytes, key)
  local out, size = {}, #key
  local keys = { key:byte(1, -1) }
  for from = 1, #bytes, 4000 do
    local block = { bytes:byte(from, from + 3999) }
    for at, value in ipairs(block) do
      block[at] = xor(value, keys[(from + at - 2) % size + 1])
    end
    out[#out + 1] = string.char(unpack(block))
  end
  return table.concat(out)
end

local function word(value)
  value = value % 4294967296
  return string.char(math.floor(value / 16777216), math.floor(value / 65536) % 256,
    math.floor(value / 256) % 256, value % 256)
end

local function number(bytes)
  local value = 0
  for at = 1, #bytes do value = value * 256 + bytes:byte(at) end
  return value
end

-- SHA-1, which only hybi-04 needs, and only of some bytes.
local function sha1(bytes)
  local h = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 }
  bytes = bytes .. "\128" .. ("\0"):rep((55 - #bytes) % 64) .. word(0) .. word(#bytes * 8)
  for from = 1, #bytes, 64 do
    local w = {}
    for n = 1, 16 do w[n] = number(bytes:sub(from + n * 4 - 4, from + n * 4 - 1)) end
    for n = 17, 80 do w[n] = rol(xor(w[n - 3], w[n - 8], w[n - 14], w[n - 16]), 1) end
    local A, B, C, D, E = h[1], h[2], h[3], h[4], h[5]
    for n = 1, 80 do
      local mixed, constant
      if n <= 20 then mixed, constant = xor(D, band(B, xor(C, D))), 0x5a827999
      elseif n <= 40 then mixed, constant = xor(B, C, D), 0x6ed9eba1
      elseif n <= 60 then mixed, constant = bor(band(B, C), band(D, bor(B, C))), 0x8f1bbcdc
      else mixed, constant = xor(B, C, D), 0xca62c1d6 end
      A, B, C, D, E = (rol(A, 5) + mixed + E + constant + w[n]) % 4294967296, A, rol(B, 30), C, D
    end
    h = { h[1] + A, h[2] + B, h[3] + C, h[4] + D, h[5] + E }
  end
  return word(h[1]) .. word(h[2]) .. word(h[3]) .. word(h[4]) .. word(h[5])
end

local function is_utf8(bytes)
  if not bytes:find("[\128-\255]") then return true end
  for _, pattern in ipairs {
    "\240[\144-\191][\128-\191][\128-\191]", "[\241-\243][\128-\191][\128-\191][\128-\191]",
    "\244[\128-\143][\128-\191][\128-\191]", "\224[\160-\191][\128-\191]",
    "[\225-\236\238\239][\128-\191][\128-\191]", "\237[\128-\159][\128-\191]", "[\194-\223][\128-\191]",
  } do
    bytes = bytes:gsub(pattern, " ")
  end
  return not bytes:find("[\128-\255]")
end

---- Heads

-- The header fields of a head, names in lower case.
local function header(head)
  local fields = {}
  for name, value in head:gmatch("\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
    fields[name:lower()] = value:gsub("[ \t]+$", "")
  end
  return fields
end

-- What is known of the conversation that begins with this head, or nil if it is none of ours.
local function recognised(head)
  if not head:find("^GET [^\r\n]+ HTTP/1%.[01]\r\n") then return nil end
  local fields = header(head)
  if (fields.upgrade or ""):lower() ~= "websocket" then return nil end
  local version = tonumber(fields["sec-websocket-version"])
  local draft = tonumber(fields["sec-websocket-draft"])
  if fields["sec-websocket-key1"] or fields["sec-websocket-key2"] then
    -- Some clients of Hixie-76 send a draft number too. Their first frame will tell.
    local more = draft and draft >= 1 and draft <= 3
    return { draft = more and "hybi-0" .. draft or "hixie-76", framing = more and "unknown" or "hixie", keys = true }
  elseif version and version >= 4 and version <= 6 then
    return { draft = "hybi-0" .. version, framing = "fin", key = fields["sec-websocket-key"] }
  elseif not version and not draft and not fields["sec-websocket-key"] then
    return { draft = "hixie-75", framing = "hixie" }
  end
  return nil
end

-- Where the head that begins at `from` ends, or nil.
local function head_end(tvb, from)
  local _, last = tvb:raw(from, math.min(tvb:len() - from, LONGEST_HEAD)):find("\r\n\r\n", 1, true)
  return last and from + last
end

---- Frames
--
-- A frame reader gets what it may read from `from` on, and returns a frame, or nil and how many bytes
-- are missing, or nil, nil and what is wrong. It never asks twice for a number of bytes, which TCP
-- does not show a second time when both end in one segment. A frame: `size` on the wire, `type`, and the range
-- `payload`.

local TOO_MANY = "No frame has this length: bytes are missing before, or this is something else"

local function cap() return wsdraft.prefs.longest end

-- Hixie-75 and 76: `00`, text, `FF`; `80` to `FF`, length in base 128, payload; `FF 00`.
local function hixie_frame(tvb, from, conversation, scan)
  local left, kind = tvb:len() - from, tvb(from, 1):uint()
  -- Only bytes that TCP has put together are those of the last time, and more.
  if from > 0 or tvb:offset() > 0 then scan.done = 0 end
  if kind < 0x80 then
    if left > scan.done then
      local at = tvb:raw(from + scan.done, left - scan.done):find("\255", 1, true)
      if at then
        local size = scan.done + at
        return { size = size, kind = kind, type = kind == 0 and "text" or "reserved", whole = true,
          payload = size > 2 and tvb(from + 1, size - 2), length = size - 2 }
      end
      scan.done = left
    end
    return nil, ONE_MORE_SEGMENT
  end
  local length, at = 0, 1
  repeat
    if at >= left then return nil, ONE_MORE_SEGMENT end
    local digit = tvb(from + at, 1):uint()
    length, at = length * 128 + digit % 128, at + 1
    if at > 10 then return nil, nil, TOO_MANY end
  until digit < 128
  -- Where a capture lost packets, any byte may come to stand here, and any length behind it.
  if kind ~= 0x80 and length > 65536 or length >= 4294967296 then return nil, nil, TOO_MANY end
  if kind == 0xff and length == 0 and conversation.draft ~= "hixie-75" then
    return { size = at, kind = kind, type = "close", length = 0, whole = true }
  end
  if left < at + length then return nil, at + length - left, nil, at + length end
  return { size = at + length, kind = kind, type = kind == 0x80 and "binary" or "reserved", whole = true,
    payload = length > 0 and tvb(from + at, length), length = length }
end

local OPCODES = { [0] = "continuation", "close", "ping", "pong", "text", "binary" }

-- hybi-01 to 06. From 04 on the first bit has the other sense, and a client masks head and all.
local function hybi_frame(tvb, from, conversation, client)
  local masked = client and conversation.framing == "fin"
  local left, skip, key = tvb:len() - from, masked and 4 or 0, nil
  if left < skip + 2 then return nil, ONE_MORE_SEGMENT end
  if masked then
    key = tvb:raw(from, 4)
    if conversation.draft == "hybi-04" then
      if not conversation.secret then return nil, nil, "The server's nonce, which masks, is not known" end
      key = sha1(key .. conversation.secret)
    end
  end
  local top = tvb:raw(from + skip, math.min(10, left - skip))
  if masked then top = unmask(top, key) end
  local first, second = top:byte(1, 2)
  local type, length, at = OPCODES[first % 16], second % 128, 2
  if math.floor(first / 16) % 8 ~= 0 then return nil, nil, "A reserved bit is set" end
  if not type then return nil, nil, "No such opcode" end
  if length >= 126 then
    at = length == 126 and 4 or 10
    if #top < at then return nil, ONE_MORE_SEGMENT end
    length = number(top:sub(3, at))
    if length >= 4294967296 then return nil, nil, TOO_MANY end
  end
  local size = skip + at + length
  if left < size then return nil, size - left, nil, size end
  local inner = tvb(from, size)
  if masked then
    local clear = ByteArray.new(unmask(tvb:raw(from + 4, size - 4), key), true)
    inner = clear:tvb("Unmasked frame")()
  end
  return { size = size, kind = first, type = type, hybi = true, length = length, mask = masked and tvb(from, 4),
    masked = masked and tvb(from + 4, size - 4), payload = length > 0 and inner(at, length),
    whole = (first >= 0x80) == (conversation.framing == "fin") }
end

---- What is shown

local function tell(pinfo, conversation, what)
  local told = pinfo.private["wsdraft"]
  pinfo.private["wsdraft"] = "told"
  if not told then
    pinfo.cols.protocol:set("WS " .. conversation.draft)
    pinfo.cols.info:set(what)
  else
    pinfo.cols.info:append(", " .. what)
  end
end

local function item(tree, range, conversation, client, type, label)
  local shown = tree:add(wsdraft, range, "WebSocket draft, " .. conversation.draft .. ", " .. label)
  shown:add(f.draft, conversation.draft):set_generated()
  shown:add(f.from, client and "client" or "server"):set_generated()
  if type then shown:add(f.type, type):set_generated() end
  return shown
end

local function show_text(shown, range)
  if not range then return shown:add(f.text, "") end
  local text = shown:add_packet_field(f.text, range, ENC_UTF_8)
  if not is_utf8(range:raw()) then shown:add_proto_expert_info(e.utf8) end
  return text
end

local function show_close(shown, frame, conversation)
  shown:add(f.close, true):set_generated()
  if conversation.draft == "hybi-06" and frame.length >= 2 then
    shown:add(f.code, frame.payload(0, 2))
    if frame.length > 2 then shown:add_packet_field(f.reason, frame.payload(2), ENC_UTF_8) end
  end
end

-- A whole message: shown at its last frame.
local function show_message(shown, type, range)
  if type == "text" then return show_text(shown, range) end
  if range then shown:add(f.binary, range) else shown:add(f.binary, ByteArray.new("", true):tvb()()) end
end

-- Puts the frame into its message. Returns what is known of the message behind it, and where the
-- message is whole its type and bytes.
local function joined(frame, message)
  local type = frame.type == "continuation" and message and message.type or frame.type
  if frame.type ~= "continuation" and frame.whole then return nil, type, frame.payload end
  local before = frame.type == "continuation" and message or nil
  local bytes = (before and before.bytes or 0) + frame.length
  message = { type = type, before = before, bytes = bytes, own = frame.payload and frame.payload:raw() or "" }
  if not frame.whole then return message end
  if bytes > cap() or type == "continuation" then return nil, "part" end
  local pieces = {}
  while message do
    table.insert(pieces, 1, message.own)
    message = message.before
  end
  return nil, type, bytes > 0 and ByteArray.new(table.concat(pieces), true):tvb("Whole message")() or nil
end

local function show_frame(tree, range, pinfo, conversation, client, frame, state)
  local label = frame.type .. ", " .. frame.length .. (frame.length == 1 and " byte" or " bytes")
  tell(pinfo, conversation, label)
  local shown = item(tree, range, conversation, client, frame.type, label)
  if frame.hybi then
    shown:add(f.fin, frame.whole):set_generated()
    shown:add(f.opcode, frame.kind % 16):set_generated()
  end
  shown:add(f.length, frame.length):set_generated()
  if frame.mask then shown:add(f.mask, frame.mask) end
  if frame.masked then shown:add(f.masked, frame.masked) end
  if frame.payload then shown:add(f.payload, frame.payload) end
  if frame.type == "reserved" then
    shown:add_proto_expert_info(e.framing, "No draft gives this frame type a meaning")
  elseif frame.type == "close" then
    show_close(shown, frame, conversation)
  elseif frame.type ~= "ping" and frame.type ~= "pong" then
    if frame.type == "continuation" and not state.message then
      shown:add_proto_expert_info(e.framing, "Nothing was begun that this could continue")
    end
    local type, whole
    state.message, type, whole = joined(frame, state.message)
    if type == "text" or type == "binary" then show_message(shown, type, whole) end
    if type == "part" then shown:add_proto_expert_info(e.part, "The message is too long to be put together") end
  end
end

---- The course of one direction
--
-- Each step gets the bytes from `from` on and returns how many it took; or nil and how many are missing.

local step = {}

-- Lets another dissector look. What it stumbles over is no fault of this one.
local function call(other, tvb, pinfo, tree)
  local whole, took = pcall(other.call, other, tvb, pinfo, tree)
  return whole and took or tvb:len()
end

-- Gives a head to Wireshark's HTTP dissector.
local function show_head(tvb, pinfo, tree, from, size)
  local can = pinfo.can_desegment
  pinfo.can_desegment = 0
  call(http, tvb(from, size):tvb(), pinfo, tree)
  pinfo.can_desegment = can
  pinfo.private["wsdraft"] = "told"
end

function step.request(tvb, pinfo, tree, from, conversation, state)
  local last = head_end(tvb, from)
  if not last then return nil, ONE_MORE_SEGMENT end
  show_head(tvb, pinfo, tree, from, last - from)
  item(tree, tvb(from, last - from), conversation, true, nil, "request")
  state.phase = conversation.keys and "key3" or "frames"
  return last - from
end

function step.response(tvb, pinfo, tree, from, conversation, state)
  local last = head_end(tvb, from)
  if not last then return nil, ONE_MORE_SEGMENT end
  local head = tvb:raw(from, last - from)
  local status = head:match("^HTTP/1%.[01] (%d%d%d)")
  if status and status ~= "101" and status:sub(1, 1) ~= "1" then
    conversation.refused = conversation.refused or pinfo.number
    return nil, nil, "refused"
  end
  show_head(tvb, pinfo, tree, from, last - from)
  if status ~= "101" then return last - from end
  item(tree, tvb(from, last - from), conversation, false, nil, "response")
  if conversation.draft == "hybi-04" and conversation.key and not conversation.secret then
    local nonce = header(head)["sec-websocket-nonce"]
    conversation.secret = nonce and sha1(conversation.key .. nonce .. "61AC5F19-FBBA-4540-B96F-6561F1AB40A8")
  end
  state.phase = conversation.keys and "answer" or "frames"
  return last - from
end

-- What stands behind the heads where the client sent Key1 and Key2.
local function proof(name, size, client)
  return function(tvb, pinfo, tree, from, conversation, state)
    local left = tvb:len() - from
    if left < size then return nil, size - left end
    tell(pinfo, conversation, name)
    item(tree, tvb(from, size), conversation, client, nil, name):add(f[name], tvb(from, size))
    state.phase = "frames"
    return size
  end
end
step.key3 = proof("key3", 8, true)
step.answer = proof("answer", 16, false)

-- A part of a frame, by itself: too long, or cut by the capture.
local function show_part(tvb, pinfo, tree, from, size, conversation, client, why)
  tell(pinfo, conversation, "part of a frame")
  local shown = item(tree, tvb(from, size), conversation, client, "part", "part of a frame")
  shown:add(f.rest, tvb(from, size))
  shown:add_proto_expert_info(e.part, why)
  return size
end

local TOO_LONG = "The frame is longer than the preference allows"

-- The rest of a frame that is not put together, of known size or up to `FF`.
function step.rest(tvb, pinfo, tree, from, conversation, state, client)
  local left = tvb:len() - from
  local size = left
  if state.rest then
    size = math.min(left, state.rest)
    state.rest = state.rest - size
    if state.rest == 0 then state.phase, state.rest = "frames", nil end
  else
    local at = tvb:raw(from):find("\255", 1, true)
    if at then size, state.phase = at, "frames" end
  end
  return show_part(tvb, pinfo, tree, from, size, conversation, client, TOO_LONG)
end

function step.frames(tvb, pinfo, tree, from, conversation, state, client, scan)
  if conversation.framing == "unknown" then
    -- No hybi message begins with a continuation, and no type of Hixie has a lower value.
    local first = tvb(from, 1):uint()
    local hixie = first % 0x80 == 0 or first == 0xff
    conversation.framing = hixie and "hixie" or "more"
    if hixie then conversation.draft = "hixie-76" end
  end
  local read = conversation.framing == "hixie" and hixie_frame or hybi_frame
  local left = tvb:len() - from
  local frame, missing, wrong, size = read(tvb, from, conversation, conversation.framing == "hixie" and scan or client)
  if frame then
    show_frame(tree, tvb(from, frame.size), pinfo, conversation, client, frame, state)
    return frame.size
  elseif wrong then
    tell(pinfo, conversation, "broken framing")
    local shown = item(tree, tvb(from), conversation, client, "broken", "broken framing")
    shown:add(f.rest, tvb(from))
    shown:add_proto_expert_info(e.framing, wrong)
    return left
  elseif (size or left) > cap() then
    state.phase, state.rest = "rest", size and size - left
    return show_part(tvb, pinfo, tree, from, left, conversation, client, TOO_LONG)
  end
  return nil, missing
end

---- The dissector

local function copy(state)
  return { phase = state.phase, rest = state.rest, message = state.message }
end

local function ports(pinfo)
  return math.min(pinfo.src_port, pinfo.dst_port) .. ":" .. math.max(pinfo.src_port, pinfo.dst_port)
end

-- Whether the packet is of this client: true, of its server: false, of neither: nil.
local function side_of(pinfo, known)
  if pinfo.src_port == known.port and pinfo.src == known.source and pinfo.dst == known.target then return true end
  if pinfo.dst_port == known.port and pinfo.dst == known.source and pinfo.src == known.target then return false end
  return nil
end

-- The last of `list` that the packet belongs to: ports are used again. And whether a client sent it.
local function find(list, pinfo)
  for at = #(list or {}), 1, -1 do
    local client = side_of(pinfo, list[at])
    if client ~= nil and list[at].first <= pinfo.number then return list[at], client end
  end
  return nil
end

-- What is known where this call begins. It is kept when packets come first, in their order.
local function state_of(conversation, side, tvb, pinfo)
  -- Not by the length: later, TCP leaves away what belongs to the next frame. Bytes that were put
  -- together have the offset 0, what is behind them in the packet has another.
  local call = pinfo.number .. ":" .. tvb:offset()
  if not pinfo.visited then
    conversation.calls[call] = copy(conversation[side])
  end
  local kept = conversation.calls[call]
  if kept then return copy(kept) end
  return { phase = pinfo.number <= conversation.from and "request" or "frames" }
end

local function take(tvb, pinfo, tree, conversation, client)
  local side = client and "client" or "server"
  local state = state_of(conversation, side, tvb, pinfo)
  local scan = pinfo.visited and { done = 0 } or conversation.scans[side]
  local cut = tvb:len() < tvb:reported_len()
  local from = 0
  while from < tvb:len() do
    if conversation.refused and pinfo.number >= conversation.refused then return call(http_tcp, tvb, pinfo, tree) end
    local took, missing, why = step[state.phase](tvb, pinfo, tree, from, conversation, state, client, scan)
    if took then
      from = from + took
    elseif why ~= "refused" then
      if not cut and pinfo.can_desegment > 0 then
        pinfo.desegment_offset, pinfo.desegment_len = from, missing
      else
        show_part(tvb, pinfo, tree, from, tvb:len() - from, conversation, client,
          "The capture has only a part of the packet, or TCP may not put segments together")
      end
      break
    end
  end
  if not pinfo.visited then conversation[side] = copy(state) end
  return tvb:len()
end

-- Looks at bytes of which nothing is known. Returns the conversation that they begin; or "more" when
-- they could begin one, and more has to come; or nil.
local function begins(tvb, pinfo)
  local key = ports(pinfo)
  begun[key] = begun[key] or {}
  local start = find(begun[key], pinfo)
  local fresh = not start
  if fresh then
    start = { port = pinfo.src_port, source = pinfo.src, target = pinfo.dst, first = pinfo.number, last = pinfo.number }
    table.insert(begun[key], start)
  end
  local opening = tvb:raw(0, math.min(4, tvb:len()))
  if opening ~= ("GET "):sub(1, #opening) then return nil end
  local last = head_end(tvb, 0)
  if not last then
    local possible = fresh or start.more or pinfo.number <= start.last
    if not possible or pinfo.can_desegment == 0 or tvb:len() >= LONGEST_HEAD then return nil end
    start.more, start.last = true, math.max(start.last, pinfo.number)
    return "more"
  end
  start.more = false
  local conversation = recognised(tvb:raw(0, last))
  if not conversation then return nil end
  conversation.first, conversation.from = start.first, pinfo.number
  conversation.port, conversation.source, conversation.target = pinfo.src_port, pinfo.src, pinfo.dst
  conversation.client, conversation.server = { phase = "request" }, { phase = "response" }
  conversation.scans = { client = { done = 0 }, server = { done = 0 } }
  conversation.calls = {}
  conversations[key] = conversations[key] or {}
  table.insert(conversations[key], conversation)
  begun[key] = nil
  return conversation
end

-- Bytes of a conversation that belongs to nobody yet. Returns how many were taken.
local function look(tvb, pinfo, tree)
  if tvb:len() == 0 then return 0 end
  local conversation = begins(tvb, pinfo)
  if conversation == "more" then
    pinfo.desegment_offset, pinfo.desegment_len = 0, ONE_MORE_SEGMENT
    return tvb:len()
  end
  if not conversation then return 0 end
  pinfo.conversation = wsdraft
  return take(tvb, pinfo, tree, conversation, true)
end

-- Bytes of a conversation that was found to be ours.
function wsdraft.dissector(tvb, pinfo, tree)
  local conversation, client = find(conversations[ports(pinfo)], pinfo)
  if not conversation or tvb:len() == 0 then return 0 end
  return take(tvb, pinfo, tree, conversation, client)
end

-- What is not ours goes back: heads of HTTP by HTTP's own way, for it knows them by their first line;
-- the rest to whom the port belonged.
function front.dissector(tvb, pinfo, tree)
  local took = look(tvb, pinfo, tree)
  if took > 0 then return took end
  local before = claimed[pinfo.match_uint]
  local line = tvb:raw(0, math.min(tvb:len(), 4096)):match("^[^\r\n]+\r?\n") or ""
  if not before or line:find("^HTTP/1%.") or line:find(" HTTP/1%.[01]\r?\n$") then return 0 end
  pinfo.can_desegment = pinfo.can_desegment > 0 and 2 or 0
  return call(before, tvb, pinfo, tree)
end

-- Stands at every port that is HTTP's, nobody's, or in the preference. A heuristic dissector would not
-- do: Wireshark asks the one first that was right the last time.
local function claim()
  local wanted = {}
  for first, last in (wsdraft.prefs.ports .. ","):gmatch("(%d+)%-?(%d*),") do
    for port = tonumber(first), tonumber(last) or tonumber(first) do wanted[port] = true end
  end
  for port = 1, 65535 do
    local now = tcp_ports:get_dissector(port)
    local name = now and tostring(now)
    if name == NAME then
      if claimed[port] and not wanted[port] and tostring(claimed[port]) ~= "HTTP" then
        tcp_ports:set(port, claimed[port])
      end
    elseif not now or name == "HTTP" or wanted[port] then
      claimed[port] = now or false
      tcp_ports:add(port, front)
    end
  end
end

function wsdraft.init()
  conversations, begun = {}, {}
  claim()
end
