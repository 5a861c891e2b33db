package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

type kind int

const (
	clusters kind = iota
	endpoints
)

var typeUrls = [...]string{
	"type.googleapis.com/envoy.config.cluster.v3.Cluster",
	"type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
}

// A holding is what a client has of one resource. The port is that of an assignment's first
// endpoint, the weight that of its first locality: the marks by which a change is known.
type holding struct {
	version      string
	port, weight uint32
}

// A conduct is how a client answers what it is sent.
type conduct = int32

const (
	good conduct = iota
	stopsReading
	neverAcknowledges
	refusesAll
	asksForOthers
	opensStreams
)

var hostileConducts = []conduct{
	stopsReading, neverAcknowledges, refusesAll, asksForOthers, opensStreams,
}

// With each change: names that nobody has, in place of those before, and streams that say nothing.
const (
	otherNames    = 2000
	silentStreams = 50
)

// A client behaves as Envoy does: it takes all clusters, asks for the endpoints of each by
// name, acknowledges everything, and brings along what it held when it comes back.
type client struct {
	fleet *fleet
	index int
	conn  *connection

	// By resource id; see names.
	held  [2][]holding
	count [2]int
	// How it answers from now on; a conduct.
	conduct atomic.Int32

	// The message that is arriving.
	current kind
	nonce   string
	added   []string
	changes bool
	// Names that nobody has, and which it asks for; see asksForOthers.
	others []string
	rounds int
}

func (client *client) connect() error {
	conn, err := open(client.fleet.discovery, client, &client.fleet.bytes)
	if err != nil {
		return err
	}
	client.conn = conn
	first := request{
		kind: clusters, node: client.index + 1,
		held: client.fleet.names.held(client.held[clusters]),
	}
	conn.send(first.encode())
	if client.count[endpoints] > 0 {
		held := client.fleet.names.held(client.held[endpoints])
		again := request{kind: endpoints, held: held}
		for name := range held {
			again.subscribe = append(again.subscribe, name)
		}
		conn.send(again.encode())
	}
	if err := conn.out.Flush(); err != nil {
		return err
	}
	go func() {
		err := conn.run()
		for err != nil && !client.fleet.closing.Load() {
			if client.isGood() {
				client.fleet.fail(client.index, err)
			}
			// Whoever is hostile was shown the door, and is back at once.
			time.Sleep(time.Second / 10)
			if err = client.connect(); err == nil {
				return
			}
		}
		client.fleet.running.Done()
	}()
	return nil
}

func (client *client) isGood() bool { return client.conduct.Load() == good }

// field takes one field of a DeltaDiscoveryResponse.
func (client *client) field(number protowire.Number, value []byte) {
	switch number {
	case 2:
		client.resource(value)
	case 4:
		client.current = kindOf(value)
	case 5:
		client.nonce = string(value)
	case 6:
		if client.isGood() {
			client.fleet.fail(client.index, errRemoved)
		}
	}
}

func (client *client) resource(bytes []byte) {
	read := readResource(bytes)
	id := client.fleet.names.id(read.name)
	for len(client.held[read.kind]) <= id {
		client.held[read.kind] = append(client.held[read.kind], holding{})
	}
	held := &client.held[read.kind][id]
	if held.version == "" {
		client.count[read.kind]++
		if read.kind == clusters && !read.static {
			client.added = append(client.added, client.fleet.names.name(id))
		}
	}
	held.version = client.fleet.versions.text(read.version)
	held.port, held.weight = read.port, read.weight
	client.changes = true
	client.fleet.resources[read.kind].Add(1)
}

// end acknowledges the message, and asks for the endpoints of new clusters.
func (client *client) end() {
	client.fleet.responses[client.current].Add(1)
	conduct := client.conduct.Load()
	if conduct == stopsReading {
		select {}
	}
	if conduct != neverAcknowledges {
		answer := request{kind: client.current, nonce: client.nonce, refused: conduct == refusesAll}
		client.conn.send(answer.encode())
	}
	if client.changes {
		client.burden(conduct)
		client.changes = false
	}
	if len(client.added) > 0 {
		wish := request{kind: endpoints, subscribe: client.added}
		client.conn.send(wish.encode())
		client.added = client.added[:0]
	}
	if awaited := client.fleet.awaited.Load(); awaited != nil {
		awaited.look(client)
	}
}

// burden is what the hostile do when they hear of a change, as all others are about to.
func (client *client) burden(conduct conduct) {
	switch conduct {
	case asksForOthers:
		wish := request{kind: endpoints, unsubscribe: client.others}
		client.others = nil
		client.rounds++
		for index := range otherNames {
			name := fmt.Sprintf("nobody-%d-%d-%d", client.index, client.rounds, index)
			client.others = append(client.others, name)
		}
		wish.subscribe = client.others
		client.conn.send(wish.encode())
	case opensStreams:
		for range silentStreams {
			client.conn.openAnother()
		}
	}
}

// interned keeps one copy of each text, whatever the number of clients.
type interned struct {
	mutex sync.RWMutex
	known map[string]string
}

func (texts *interned) text(bytes []byte) string {
	texts.mutex.RLock()
	known, found := texts.known[string(bytes)]
	texts.mutex.RUnlock()
	if found {
		return known
	}
	texts.mutex.Lock()
	defer texts.mutex.Unlock()
	fresh := string(bytes)
	texts.known[fresh] = fresh
	return fresh
}

// names numbers resource names, so that a client holds a list and no map.
type names struct {
	mutex sync.RWMutex
	ids   map[string]int
	list  []string
}

func (names *names) id(name []byte) int {
	names.mutex.RLock()
	id, found := names.ids[string(name)]
	names.mutex.RUnlock()
	if found {
		return id
	}
	names.mutex.Lock()
	defer names.mutex.Unlock()
	if id, found := names.ids[string(name)]; found {
		return id
	}
	names.ids[string(name)] = len(names.list)
	names.list = append(names.list, string(name))
	return len(names.list) - 1
}

func (names *names) name(id int) string {
	names.mutex.RLock()
	defer names.mutex.RUnlock()
	return names.list[id]
}

// held lists what a client has: name and version.
func (names *names) held(holdings []holding) map[string]string {
	held := make(map[string]string, len(holdings))
	for id, holding := range holdings {
		if holding.version != "" {
			held[names.name(id)] = holding.version
		}
	}
	return held
}

// A fleet is all clients, and what they have received together.
type fleet struct {
	discovery string
	clients   []*client
	names     names
	versions  interned
	bytes     atomic.Int64
	resources [2]atomic.Int64
	responses [2]atomic.Int64
	awaited   atomic.Pointer[expectation]
	closing   atomic.Bool
	running   sync.WaitGroup
	fail      func(client int, err error)
}

func newFleet(discovery string, size int, fail func(int, error)) *fleet {
	all := &fleet{discovery: discovery, fail: fail}
	all.names.ids = map[string]int{}
	all.versions.known = map[string]string{}
	for index := range size {
		all.clients = append(all.clients, &client{fleet: all, index: index})
	}
	return all
}

// connect opens every connection at once, as a fleet does whose control plane came back.
func (fleet *fleet) connect() {
	fleet.closing.Store(false)
	var opened sync.WaitGroup
	for _, client := range fleet.clients {
		fleet.running.Add(1)
		opened.Go(func() {
			if err := client.connect(); err != nil {
				fleet.fail(client.index, err)
			}
		})
	}
	opened.Wait()
}

// turn makes every tenth client hostile, in each way as many.
func (fleet *fleet) turn() (hostile int) {
	for index := 0; index < len(fleet.clients); index += 10 {
		fleet.clients[index].conduct.Store(hostileConducts[hostile%len(hostileConducts)])
		hostile++
	}
	return hostile
}

func (fleet *fleet) disconnect() {
	fleet.closing.Store(true)
	for _, client := range fleet.clients {
		_ = client.conn.socket.Close()
	}
	fleet.running.Wait()
}
