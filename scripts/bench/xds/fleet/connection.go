package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
	// Envoy gives its upstreams windows of this order: the client must not be what is waited for.
	window = 1 << 24
	// Given back in pieces of this size.
	windowPiece = 1 << 22
	stream      = 1
)

// A receiver gets the fields of each message as they arrive, so that a message of
// megabytes never has to be held whole, a thousand times.
type receiver interface {
	field(number protowire.Number, value []byte)
	end()
}

// A connection is one HTTP/2 connection with one gRPC stream: Envoy's to its control
// plane, by raw frames. One goroutine (run) owns it after open.
type connection struct {
	socket   net.Conn
	framer   *http2.Framer
	out      *bufio.Writer
	in       *bufio.Reader
	receiver receiver
	// The last stream opened: ours, unless others are that say nothing.
	lastStream uint32

	// What is not sent yet for want of window.
	unsent                   []byte
	streamWindow, connWindow int
	initialWindow            int

	// The message that is arriving: bytes to come, and those with no whole field yet.
	expected int
	partial  []byte
	unacked  int
}

// counted counts what the server sent, framing and all.
type counted struct {
	net.Conn
	bytes *atomic.Int64
}

func (conn counted) Read(into []byte) (int, error) {
	read, err := conn.Conn.Read(into)
	conn.bytes.Add(int64(read))
	return read, err
}

func open(address string, receiver receiver, bytes *atomic.Int64) (*connection, error) {
	socket, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	conn := &connection{
		socket: socket, receiver: receiver,
		out: bufio.NewWriterSize(socket, 16<<10),
		in:  bufio.NewReaderSize(counted{socket, bytes}, 16<<10),

		streamWindow: 65535, connWindow: 65535, initialWindow: 65535,
		lastStream: stream,
	}
	conn.framer = http2.NewFramer(conn.out, conn.in)
	conn.framer.SetReuseFrames()
	conn.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, _ = conn.out.WriteString(http2.ClientPreface)
	largest := http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}
	_ = conn.framer.WriteSettings(largest)
	_ = conn.framer.WriteWindowUpdate(0, window-65535)
	block := hpackBlock(address)
	_ = conn.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: block, EndHeaders: true,
	})
	return conn, conn.out.Flush()
}

// openAnother opens a stream on which nothing is ever said.
func (conn *connection) openAnother() {
	conn.lastStream += 2
	_ = conn.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: conn.lastStream, EndHeaders: true,
		BlockFragment: hpackBlock(conn.socket.RemoteAddr().String()),
	})
}

func hpackBlock(address string) []byte {
	var block headerBlock
	encoder := hpack.NewEncoder(&block)
	for _, pair := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", address},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		_ = encoder.WriteField(hpack.HeaderField{Name: pair[0], Value: pair[1]})
	}
	return block
}

type headerBlock []byte

func (block *headerBlock) Write(bytes []byte) (int, error) {
	*block = append(*block, bytes...)
	return len(bytes), nil
}

// send frames a message and sends what the windows allow; the rest follows in run.
func (conn *connection) send(message []byte) {
	conn.unsent = append(conn.unsent, 0)
	conn.unsent = binary.BigEndian.AppendUint32(conn.unsent, uint32(len(message)))
	conn.unsent = append(conn.unsent, message...)
	conn.drain()
}

func (conn *connection) drain() {
	for len(conn.unsent) > 0 {
		size := min(len(conn.unsent), conn.streamWindow, conn.connWindow, 16384)
		if size <= 0 {
			return
		}
		_ = conn.framer.WriteData(stream, false, conn.unsent[:size])
		conn.unsent = conn.unsent[size:]
		conn.streamWindow -= size
		conn.connWindow -= size
	}
	conn.unsent = nil
}

// run reads until the connection ends, which is an error unless we closed it.
func (conn *connection) run() error {
	for {
		if conn.in.Buffered() == 0 {
			if err := conn.out.Flush(); err != nil {
				return err
			}
		}
		frame, err := conn.framer.ReadFrame()
		if err != nil {
			return err
		}
		if err := conn.handle(frame); err != nil {
			return err
		}
	}
}

func (conn *connection) handle(frame http2.Frame) error {
	if of := frame.Header().StreamID; of != 0 && of != stream {
		return nil
	}
	switch frame := frame.(type) {
	case *http2.DataFrame:
		return conn.receive(frame.Data())
	case *http2.MetaHeadersFrame:
		if frame.StreamEnded() {
			return fmt.Errorf("the server ended the stream: %v", frame.Fields)
		}
	case *http2.SettingsFrame:
		return conn.settings(frame)
	case *http2.PingFrame:
		if !frame.IsAck() {
			return conn.framer.WritePing(true, frame.Data)
		}
	case *http2.WindowUpdateFrame:
		if frame.StreamID == 0 {
			conn.connWindow += int(frame.Increment)
		} else {
			conn.streamWindow += int(frame.Increment)
		}
		conn.drain()
	case *http2.RSTStreamFrame:
		return fmt.Errorf("the server reset the stream: %v", frame.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server sent GOAWAY: %v", frame.ErrCode)
	}
	return nil
}

func (conn *connection) settings(frame *http2.SettingsFrame) error {
	if frame.IsAck() {
		return nil
	}
	if size, told := frame.Value(http2.SettingInitialWindowSize); told {
		conn.streamWindow += int(size) - conn.initialWindow
		conn.initialWindow = int(size)
	}
	if err := conn.framer.WriteSettingsAck(); err != nil {
		return err
	}
	conn.drain()
	return nil
}

func (conn *connection) receive(data []byte) error {
	if conn.unacked += len(data); conn.unacked >= windowPiece {
		_ = conn.framer.WriteWindowUpdate(0, uint32(conn.unacked))
		_ = conn.framer.WriteWindowUpdate(stream, uint32(conn.unacked))
		conn.unacked = 0
	}
	// Usually a frame is a message: then nothing is copied.
	if len(conn.partial) > 0 {
		data = append(conn.partial, data...)
	}
	rest, err := conn.consume(data)
	conn.partial = append(conn.partial[:0:0], rest...)
	return err
}

// consume passes on every whole field; the rest waits for the next frame.
func (conn *connection) consume(data []byte) ([]byte, error) {
	for {
		if conn.expected == 0 {
			if len(data) < 5 {
				return data, nil
			}
			if data[0] != 0 {
				return nil, errors.New("the message is compressed")
			}
			conn.expected = int(binary.BigEndian.Uint32(data[1:]))
			data = data[5:]
		}
		for conn.expected > 0 {
			message := data[:min(len(data), conn.expected)]
			number, kind, tag := protowire.ConsumeTag(message)
			if tag < 0 {
				return data, nil
			}
			size := protowire.ConsumeFieldValue(number, kind, message[tag:])
			if size < 0 {
				return data, nil
			}
			if kind == protowire.BytesType {
				value, _ := protowire.ConsumeBytes(message[tag:])
				conn.receiver.field(number, value)
			}
			data = data[tag+size:]
			conn.expected -= tag + size
		}
		conn.receiver.end()
	}
}
