package main

import (
	"fmt"
	"sync/atomic"
	"time"
)

// An expectation is a state that every good client is to reach, and when each did.
type expectation struct {
	// Asked after each message of a client, until it says yes.
	met   func(*client) bool
	begun time.Time
	took  []time.Duration
	left  atomic.Int64
	done  chan struct{}
}

// expect is called before what will bring the state about.
func (fleet *fleet) expect(met func(*client) bool) *expectation {
	awaited := &expectation{
		met: met, begun: time.Now(),
		took: make([]time.Duration, len(fleet.clients)), done: make(chan struct{}),
	}
	for _, client := range fleet.clients {
		if client.conduct.Load() == good {
			awaited.left.Add(1)
		}
	}
	fleet.awaited.Store(awaited)
	return awaited
}

func (awaited *expectation) look(client *client) {
	if client.conduct.Load() != good || awaited.took[client.index] > 0 || !awaited.met(client) {
		return
	}
	awaited.took[client.index] = time.Since(awaited.begun)
	if awaited.left.Add(-1) == 0 {
		close(awaited.done)
	}
}

// wait gives up after the limit, which is then the answer: false.
func (awaited *expectation) wait(limit time.Duration) bool {
	select {
	case <-awaited.done:
		return true
	case <-time.After(limit):
		return false
	}
}

// arrivals are the times of all good clients.
func (awaited *expectation) arrivals() []time.Duration {
	var arrivals []time.Duration
	for _, took := range awaited.took {
		if took > 0 {
			arrivals = append(arrivals, took)
		}
	}
	return arrivals
}

func (awaited *expectation) last() time.Duration {
	var last time.Duration
	for _, took := range awaited.took {
		last = max(last, took)
	}
	return last
}

// A target is what a service is to have: its first instance a port, or its new version a
// share of the calls in percent.
type target struct {
	service     int
	port, share uint32
}

// A locality's weight for one percent; see endpoint.ts.
const weightOfPercent = 10_000

func (target target) heldIn(held holding) bool {
	if target.share > 0 {
		return held.weight == (100-target.share)*weightOfPercent
	}
	return held.port == target.port
}

// holds says whether a client has been told all of these.
func (fleet *fleet) holds(targets ...target) func(*client) bool {
	ids := make([]int, len(targets))
	for index, target := range targets {
		ids[index] = fleet.names.id([]byte(serviceName(target.service)))
	}
	return func(client *client) bool {
		held := client.held[endpoints]
		for index, target := range targets {
			if ids[index] >= len(held) || !target.heldIn(held[ids[index]]) {
				return false
			}
		}
		return true
	}
}

func holdsServices(services int) func(*client) bool {
	return func(client *client) bool {
		return client.count[endpoints] >= services && client.count[clusters] >= services
	}
}

// The names that ours.ts gives its services.
func serviceName(service int) string { return fmt.Sprintf("service-%05d", service) }
