package main

import (
	"context"
	"log"
	"strconv"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
)

// A store is one of go-control-plane's caches, filled. One goroutine changes it.
type store interface {
	cache() cache.Cache
	at(service int) *endpoint.ClusterLoadAssignment
	update(service int, changed *endpoint.ClusterLoadAssignment)
}

// linear is a LinearCache for each type, as its documentation says for ADS.
type linear struct {
	mux       *cache.MuxCache
	endpoints *cache.LinearCache
	present   []*endpoint.ClusterLoadAssignment
}

func newLinear(clusters []*cluster.Cluster, present []*endpoint.ClusterLoadAssignment) store {
	first := make(map[string]types.Resource, len(clusters))
	for _, message := range clusters {
		first[message.Name] = message
	}
	second := make(map[string]types.Resource, len(present))
	for _, message := range present {
		second[message.ClusterName] = message
	}
	all := cache.NewLinearCache(resource.ClusterType, cache.WithInitialResources(first))
	endpoints := cache.NewLinearCache(resource.EndpointType, cache.WithInitialResources(second))
	mux := &cache.MuxCache{
		Classify:      func(request *cache.Request) string { return request.TypeUrl },
		ClassifyDelta: func(request *cache.DeltaRequest) string { return request.TypeUrl },
		Caches: map[string]cache.Cache{
			resource.ClusterType:  all,
			resource.EndpointType: endpoints,
		},
	}
	return &linear{mux, endpoints, present}
}

func (held *linear) cache() cache.Cache { return held.mux }

func (held *linear) at(service int) *endpoint.ClusterLoadAssignment { return held.present[service] }

func (held *linear) update(service int, changed *endpoint.ClusterLoadAssignment) {
	held.present[service] = changed
	if err := held.endpoints.UpdateResource(changed.ClusterName, changed); err != nil {
		log.Fatal(err)
	}
}

// snapshots is a SnapshotCache with one snapshot for all nodes.
type snapshots struct {
	all      cache.SnapshotCache
	clusters []types.Resource
	present  []types.Resource
	version  int
}

const group = "all"

type oneGroup struct{}

func (oneGroup) ID(*core.Node) string { return group }

func newSnapshot(clusters []*cluster.Cluster, present []*endpoint.ClusterLoadAssignment) store {
	held := &snapshots{all: cache.NewSnapshotCache(true, oneGroup{}, nil)}
	for _, message := range clusters {
		held.clusters = append(held.clusters, message)
	}
	for _, message := range present {
		held.present = append(held.present, message)
	}
	held.publish()
	return held
}

func (held *snapshots) cache() cache.Cache { return held.all }

func (held *snapshots) at(service int) *endpoint.ClusterLoadAssignment {
	return held.present[service].(*endpoint.ClusterLoadAssignment)
}

func (held *snapshots) update(service int, changed *endpoint.ClusterLoadAssignment) {
	held.present[service] = changed
	held.publish()
}

func (held *snapshots) publish() {
	held.version++
	snapshot, err := cache.NewSnapshot(strconv.Itoa(held.version), map[resource.Type][]types.Resource{
		resource.ClusterType:  held.clusters,
		resource.EndpointType: held.present,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := held.all.SetSnapshot(context.Background(), group, snapshot); err != nil {
		log.Fatal(err)
	}
}

func portValue(port uint32) *core.SocketAddress_PortValue {
	return &core.SocketAddress_PortValue{PortValue: port}
}
