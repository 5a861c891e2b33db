// Command fleet is many Envoys at once as far as a control plane can tell, and as little else
// as possible: the clients share the machine with the server they measure. It takes one
// server through the whole scenario and prints the figures as JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"time"
)

const hostileChanges = 60

// Registering is the answer to --register: what one service more costs.
type registering struct {
	*changes
	BytesPer float64 `json:"bytesPerClient"`
}

// Stepping is the answer to --steps: what a step of a rollout costs.
type stepping struct {
	*changes
	BytesPer     float64 `json:"bytesPerClient"`
	ResourcesPer float64 `json:"resourcesPerClient"`
	PeakMiB      float64 `json:"peakMiB"`
}

// Hostility is the answer to --hostile: what single changes cost the good clients, when all
// are good, and when every tenth is hostile.
type hostility struct {
	Hostile int      `json:"hostile"`
	Without *changes `json:"without"`
	With    *changes `json:"with"`
}

func main() {
	log.SetFlags(0)
	discovery := flag.String("discovery", "", "address of the server's xDS port")
	control := flag.String("control", "", "address of the server's control port")
	pid := flag.Int("pid", 0, "the server's process")
	services := flag.Int("services", 0, "how many services it holds")
	clients := flag.Int("clients", 0, "how many connect")
	churn := flag.Duration("churn", 0, "how long 200 changes a second are made; 0: not at all")
	limit := flag.Duration("limit", 20*time.Second, "how long anything is waited for")
	register := flag.Int("register", 0, "register so many services, and nothing else")
	steps := flag.Int("steps", 0, "make so many steps of rollouts, and nothing else")
	rollouts := flag.Int("rollouts", 0, "how many services are in a rollout")
	hostile := flag.Bool("hostile", false, "turn every tenth client hostile, and nothing else")
	version := flag.Bool("version", false, "say which Go built it, and nothing else")
	flag.Parse()
	if *version {
		fmt.Println(runtime.Version())
		return
	}

	go func() {
		// Whoever started us holds the other end: we end with it.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	fleet := newFleet(*discovery, *clients, func(client int, err error) {
		log.Fatalf("client %d: %v", client, err)
	})
	run := &scenario{
		fleet: fleet, server: drive(*pid, *control), services: *services,
		limit: *limit, port: firstChangedPort,
	}
	var report any
	switch {
	case *register > 0:
		report = run.registering(*register)
	case *steps > 0:
		report = run.stepping(*rollouts, *steps)
	case *hostile:
		report = run.hostility()
	default:
		report = run.all(*churn)
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		log.Fatal(err)
	}
}

// all stops where the server has not come to rest within the limit.
func (run *scenario) all(churn time.Duration) (taken figures) {
	defer func() { taken.PeakMiB = run.server.peakMiB() }()
	if taken.Cold = run.cold(); taken.Cold == nil {
		return taken
	}
	// Neither is measured while it is warming up.
	run.change(3, 3, 0)
	taken.Change = run.change(10, 30, 1500*time.Millisecond)
	taken.Reconnect = run.reconnect()
	if taken.Change == nil || taken.Reconnect == nil {
		return taken
	}
	if taken.Burst = run.burst(300); taken.Burst != nil && churn > 0 {
		taken.Churn = run.churn(200, churn)
	}
	return taken
}

func (run *scenario) registering(count int) *registering {
	if run.cold() == nil {
		return nil
	}
	run.register(2)
	bytes := run.fleet.bytes.Load()
	taken := run.register(count)
	if taken == nil {
		return nil
	}
	each := float64(run.fleet.bytes.Load()-bytes) / float64(count) / float64(len(run.fleet.clients))
	return &registering{taken, each}
}

func (run *scenario) stepping(rollouts, count int) *stepping {
	// Each open rollout has a cluster of its new version.
	run.services += rollouts
	if run.cold() == nil {
		return nil
	}
	const warming = 10
	if run.step(rollouts, 0, warming) == nil {
		return nil
	}
	bytes, resources := run.fleet.bytes.Load(), run.resources()
	taken := run.step(rollouts, warming, count)
	if taken == nil {
		return nil
	}
	all := float64(count) * float64(len(run.fleet.clients))
	return &stepping{
		taken, float64(run.fleet.bytes.Load()-bytes) / all,
		float64(run.resources()-resources) / all, run.server.peakMiB(),
	}
}

func (run *scenario) hostility() *hostility {
	if run.cold() == nil {
		return nil
	}
	run.change(10, 10, 0)
	// As many of both, or one has more of the rare slow ones than the other.
	without := run.change(hostileChanges, hostileChanges, 0)
	turned := run.fleet.turn()
	// The first finds them reading; from then on they are as they are.
	run.change(3, 3, 0)
	with := run.change(hostileChanges, hostileChanges, 0)
	if without == nil || with == nil {
		return nil
	}
	return &hostility{turned, without, with}
}
