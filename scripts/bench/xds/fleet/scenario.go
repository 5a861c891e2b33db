package main

import (
	"slices"
	"time"
)

// Figures of one server, services and clients. Null: it did not happen within the limit.
type figures struct {
	Cold      *span    `json:"cold"`
	Change    *changes `json:"change"`
	Burst     *flood   `json:"burst"`
	Reconnect *span    `json:"reconnect"`
	Churn     *flood   `json:"churn"`
	PeakMiB   float64  `json:"peakMiB"`
}

// A span is one thing that all clients did.
type span struct {
	Ms           float64 `json:"ms"`
	ProcessorMs  float64 `json:"processorMs"`
	MiB          float64 `json:"mib"`
	ResourcesPer float64 `json:"resourcesPerClient"`
}

// changes are single ones, each after the one before had come to rest.
type changes struct {
	Count int     `json:"count"`
	P50Ms float64 `json:"p50Ms"`
	P99Ms float64 `json:"p99Ms"`
	// Over the clients for each change, of which the median: one slow change does not decide.
	EachP99Ms   float64 `json:"eachP99Ms"`
	LastMs      float64 `json:"lastMs"`
	ProcessorMs float64 `json:"processorMs"`
}

// A flood is many changes, none of which waits for another.
type flood struct {
	Count        int     `json:"count"`
	Ms           float64 `json:"ms"`
	ProcessorMs  float64 `json:"processorMs"`
	ResponsesPer float64 `json:"responsesPerClient"`
}

type scenario struct {
	fleet    *fleet
	server   *server
	services int
	limit    time.Duration
	// The last port given; each change takes the next.
	port uint32
}

// Above any port that a service begins with.
const firstChangedPort = 20000

func milliseconds(took time.Duration) float64 { return float64(took) / float64(time.Millisecond) }

func (run *scenario) next(service int) target {
	run.port++
	return target{service: service % run.services, port: run.port}
}

// span measures `work` with all that the server does for it, which ends at the expectation.
func (run *scenario) span(awaited func() *expectation) *span {
	bytes, processor := run.fleet.bytes.Load(), run.server.processor()
	resources := run.resources()
	begun := time.Now()
	expected := awaited()
	if !expected.wait(run.limit) {
		return nil
	}
	took := time.Since(begun)
	run.server.quiet()
	return &span{
		Ms:           milliseconds(took),
		ProcessorMs:  milliseconds(run.server.processor() - processor),
		MiB:          float64(run.fleet.bytes.Load()-bytes) / (1 << 20),
		ResourcesPer: float64(run.resources()-resources) / float64(len(run.fleet.clients)),
	}
}

func (run *scenario) resources() int64 {
	return run.fleet.resources[clusters].Load() + run.fleet.resources[endpoints].Load()
}

func (run *scenario) cold() *span {
	return run.span(func() *expectation {
		expected := run.fleet.expect(holdsServices(run.services))
		run.fleet.connect()
		return expected
	})
}

// reconnect ends when all have a change made after it: an answer that is rightly
// never sent cannot be waited for.
func (run *scenario) reconnect() *span {
	taken := run.span(func() *expectation {
		run.fleet.disconnect()
		changed := run.next(0)
		expected := run.fleet.expect(run.fleet.holds(changed))
		run.fleet.connect()
		run.server.update(changed)
		run.server.sent()
		return expected
	})
	if taken != nil {
		taken.ResourcesPer--
	}
	return taken
}

// change makes at least as many changes as told, and goes on while they are quick.
func (run *scenario) change(least int, most int, enough time.Duration) *changes {
	moved := func(count int) target { return run.next(count * 7) }
	return run.changeTo(moved, least, most, enough)
}

func (run *scenario) changeTo(next func(int) target, least, most int, enough time.Duration) *changes {
	var arrivals, lasts, each []time.Duration
	processor, begun := run.server.processor(), time.Now()
	count := 0
	for ; count < least || (count < most && time.Since(begun) < enough); count++ {
		changed := next(count)
		expected := run.fleet.expect(run.fleet.holds(changed))
		run.server.update(changed)
		run.server.sent()
		if !expected.wait(run.limit) {
			return nil
		}
		arrived := expected.arrivals()
		each = append(each, quantile(arrived, 0.99))
		arrivals = append(arrivals, arrived...)
		lasts = append(lasts, expected.last())
		run.server.quiet()
	}
	return &changes{
		Count:       count,
		P50Ms:       milliseconds(quantile(arrivals, 0.5)),
		P99Ms:       milliseconds(quantile(arrivals, 0.99)),
		EachP99Ms:   milliseconds(quantile(each, 0.5)),
		LastMs:      milliseconds(quantile(lasts, 0.5)),
		ProcessorMs: milliseconds(run.server.processor()-processor) / float64(count),
	}
}

func quantile(values []time.Duration, share float64) time.Duration {
	slices.Sort(values)
	return values[int(float64(len(values)-1)*share)]
}

// flood measures from the first change until all clients hold the last state.
func (run *scenario) flood(all []target, make func()) *flood {
	final := map[int]target{}
	for _, each := range all {
		final[each.service] = each
	}
	var targets []target
	for _, each := range final {
		targets = append(targets, each)
	}
	processor := run.server.processor()
	responses := run.fleet.responses[endpoints].Load()
	expected := run.fleet.expect(run.fleet.holds(targets...))
	make()
	if !expected.wait(run.limit) {
		return nil
	}
	run.server.quiet()
	received := run.fleet.responses[endpoints].Load() - responses
	return &flood{
		Count:        len(all),
		Ms:           milliseconds(expected.last()),
		ProcessorMs:  milliseconds(run.server.processor() - processor),
		ResponsesPer: float64(received) / float64(len(run.fleet.clients)),
	}
}

// burst writes all changes to the socket at once: how many of them are read together is
// each server's own affair, as it is with a registry's.
func (run *scenario) burst(count int) *flood {
	all := run.targets(count)
	return run.flood(all, func() {
		for _, changed := range all {
			run.server.update(changed)
		}
		run.server.sent()
	})
}

func (run *scenario) churn(perSecond int, length time.Duration) *flood {
	all := run.targets(int(length.Seconds() * float64(perSecond)))
	return run.flood(all, func() {
		pace := time.NewTicker(time.Second / time.Duration(perSecond))
		defer pace.Stop()
		for _, changed := range all {
			run.server.update(changed)
			run.server.sent()
			<-pace.C
		}
	})
}

func (run *scenario) targets(count int) []target {
	all := make([]target, count)
	for index := range all {
		all[index] = run.next(index)
	}
	return all
}

// register adds services one after the other; for each, all clients get the new cluster and
// ask for its endpoints.
func (run *scenario) register(count int) *changes {
	var lasts []time.Duration
	processor := run.server.processor()
	for range count {
		run.services++
		expected := run.fleet.expect(holdsServices(run.services))
		run.server.post("/register")
		run.server.sent()
		if !expected.wait(run.limit) {
			return nil
		}
		lasts = append(lasts, expected.last())
		run.server.quiet()
	}
	return &changes{
		Count:       count,
		LastMs:      milliseconds(quantile(lasts, 0.5)),
		ProcessorMs: milliseconds(run.server.processor()-processor) / float64(count),
	}
}

// step moves shares of services that are in a rollout, one after the other. No service has the
// same share twice in a row.
func (run *scenario) step(rollouts, first, count int) *changes {
	next := func(count int) target {
		count += first
		return target{service: count % rollouts, share: uint32(2 + count%97)}
	}
	return run.changeTo(next, count, count, 0)
}
