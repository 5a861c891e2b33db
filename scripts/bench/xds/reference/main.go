// Command reference is what MCPX is measured against: go-control-plane's own server
// over one of its two caches, holding the very bytes that MCPX would send.
//
// It is driven as MCPX is in this benchmark (see ours.ts): POST /update on a control port.
// Changes are queued and applied one by one, as registries report them.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// A change gives the first endpoint of one service another port.
type change struct {
	service int
	port    uint32
}

func main() {
	kind := flag.String("cache", "linear", "linear or snapshot")
	resources := flag.String("resources", "", "JSON: {clusters, endpoints}, each base64 messages")
	flag.Parse()

	clusters, endpoints, err := read(*resources)
	if err != nil {
		log.Fatal(err)
	}
	caches := map[string]func([]*cluster.Cluster, []*endpoint.ClusterLoadAssignment) store{
		"linear": newLinear, "snapshot": newSnapshot,
	}
	held := caches[*kind](clusters, endpoints)

	// Far more than any burst: posting a change must not wait for the changes before it.
	queue := make(chan change, 1<<16)
	go func() {
		for next := range queue {
			held.update(next.service, withPort(held.at(next.service), next.port))
		}
	}()

	discoveryPort := serveDiscovery(held)
	controlPort := serveControl(queue)
	fmt.Printf("ready %d %d\n", discoveryPort, controlPort)
	// Whoever started us holds the other end: we end with it.
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func read(path string) ([]*cluster.Cluster, []*endpoint.ClusterLoadAssignment, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var encoded struct{ Clusters, Endpoints [][]byte }
	if err := json.Unmarshal(text, &encoded); err != nil {
		return nil, nil, err
	}
	var clusters []*cluster.Cluster
	for _, bytes := range encoded.Clusters {
		message := &cluster.Cluster{}
		if err := proto.Unmarshal(bytes, message); err != nil {
			return nil, nil, err
		}
		clusters = append(clusters, message)
	}
	var endpoints []*endpoint.ClusterLoadAssignment
	for _, bytes := range encoded.Endpoints {
		message := &endpoint.ClusterLoadAssignment{}
		if err := proto.Unmarshal(bytes, message); err != nil {
			return nil, nil, err
		}
		endpoints = append(endpoints, message)
	}
	return clusters, endpoints, nil
}

// withPort leaves the message given as it is: streams may be encoding it.
func withPort(old *endpoint.ClusterLoadAssignment, port uint32) *endpoint.ClusterLoadAssignment {
	changed := proto.Clone(old).(*endpoint.ClusterLoadAssignment)
	first := changed.Endpoints[0].LbEndpoints[0].GetEndpoint()
	first.Address.GetSocketAddress().PortSpecifier = portValue(port)
	return changed
}

func serveDiscovery(held store) int {
	listener := listen()
	grpcServer := grpc.NewServer(grpc.MaxConcurrentStreams(1 << 20))
	xds := server.NewServer(context.Background(), held.cache(), nil)
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, xds)
	go func() { log.Fatal(grpcServer.Serve(listener)) }()
	return listener.Addr().(*net.TCPAddr).Port
}

func serveControl(queue chan<- change) int {
	number := func(request *http.Request, name string) int {
		value, _ := strconv.Atoi(request.URL.Query().Get(name))
		return value
	}
	http.HandleFunc("POST /update", func(answer http.ResponseWriter, request *http.Request) {
		queue <- change{number(request, "service"), uint32(number(request, "key"))}
		answer.WriteHeader(http.StatusAccepted)
	})
	listener := listen()
	go func() { log.Fatal(http.Serve(listener, nil)) }()
	return listener.Addr().(*net.TCPAddr).Port
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}
