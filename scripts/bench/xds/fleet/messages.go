package main

import (
	"errors"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

var errRemoved = errors.New("a resource was removed, and nothing was")

// A request is a DeltaDiscoveryRequest.
type request struct {
	kind kind
	// Above 0 in the first request of a stream.
	node      int
	nonce     string
	refused   bool
	subscribe []string
	// Asked for no longer.
	unsubscribe []string
	held        map[string]string
}

func (request request) encode() []byte {
	var message []byte
	if request.node > 0 {
		node := text(nil, 1, "bench-"+strconv.Itoa(request.node))
		message = text(message, 1, string(text(node, 2, "edge")))
	}
	message = text(message, 2, typeUrls[request.kind])
	for _, name := range request.subscribe {
		message = text(message, 3, name)
	}
	for _, name := range request.unsubscribe {
		message = text(message, 4, name)
	}
	for name, version := range request.held {
		message = text(message, 5, string(text(text(nil, 1, name), 2, version)))
	}
	if request.nonce != "" {
		message = text(message, 6, request.nonce)
	}
	if request.refused {
		// A google.rpc.Status.
		message = text(message, 7, string(text(nil, 2, "not this one")))
	}
	return message
}

func text(message []byte, number protowire.Number, value string) []byte {
	message = protowire.AppendTag(message, number, protowire.BytesType)
	return protowire.AppendString(message, value)
}

// What is looked at of a resource: nothing is decoded that nobody asks for.
type glimpse struct {
	kind          kind
	name, version []byte
	// Of an assignment: the first endpoint's port, and the first locality's weight.
	port, weight uint32
	// Of a cluster: no endpoints are asked for.
	static bool
}

func readResource(bytes []byte) glimpse {
	var read glimpse
	var body []byte
	each(bytes, func(number protowire.Number, value []byte, _ uint64) bool {
		switch number {
		case 1:
			read.version = value
		case 2:
			read.kind = kindOf(first(value, 1))
			body = first(value, 2)
		case 3:
			read.name = value
		}
		return true
	})
	if read.kind == clusters {
		read.static = len(first(body, 3)) == 0
	} else {
		locality := first(body, 2)
		read.port, read.weight = firstPort(locality), number(first(locality, 3), 1)
	}
	return read
}

func kindOf(typeUrl []byte) kind {
	if string(typeUrl) == typeUrls[clusters] {
		return clusters
	}
	return endpoints
}

// firstPort goes down LocalityLbEndpoints.lb_endpoints[0].endpoint.address.socket_address
// .port_value.
func firstPort(locality []byte) uint32 {
	for _, number := range []protowire.Number{2, 1, 1, 1} {
		locality = first(locality, number)
	}
	return number(locality, 3)
}

// number is a field of a message, 0 where it is not there.
func number(message []byte, wanted protowire.Number) uint32 {
	var found uint32
	each(message, func(number protowire.Number, _ []byte, value uint64) bool {
		if number == wanted {
			found = uint32(value)
		}
		return number != wanted
	})
	return found
}

func first(message []byte, wanted protowire.Number) []byte {
	var found []byte
	each(message, func(number protowire.Number, value []byte, _ uint64) bool {
		if number == wanted && value != nil {
			found = value
			return false
		}
		return true
	})
	return found
}

// each visits the fields of a message until told to stop.
func each(message []byte, visit func(protowire.Number, []byte, uint64) bool) {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return
		}
		var value []byte
		var plain uint64
		size := 0
		switch kind {
		case protowire.BytesType:
			value, size = protowire.ConsumeBytes(message[tag:])
		case protowire.VarintType:
			plain, size = protowire.ConsumeVarint(message[tag:])
		default:
			size = protowire.ConsumeFieldValue(number, kind, message[tag:])
		}
		if size < 0 || !visit(number, value, plain) {
			return
		}
		message = message[tag+size:]
	}
}
