package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// redisFigures is what Redis takes for the same memberships: one sorted set for each
// segment, scored by the expiry, ZADD GT, which like ours never shortens.
type redisFigures struct {
	Points []redisPoint `json:"points"`
}

// redisPoint is Redis at one size.
type redisPoint struct {
	Members int     `json:"members"`
	Used    int64   `json:"usedBytes"` // used_memory beyond what the empty server uses
	RSS     int64   `json:"rssBytes"`  // used_memory_rss, the same
	Rate    float64 `json:"zaddPerSecond"`
}

// redisLookPause is more than Redis takes to look at its own resident size again.
const redisLookPause = 300 * time.Millisecond

const (
	// zaddPipeline is how many commands travel together.
	zaddPipeline = 1_000
	// zaddRenewals is how many are timed at each size, at most.
	zaddRenewals = 500_000
	// zaddGather is how many memberships are sorted by segment to fill the sets
	// fast, several in a command: filling them is not what is timed.
	zaddGather = 20_000
)

// zadder feeds a Redis.
type zadder struct {
	*redisClient
	people *population
	groups [][]int // members by segment
}

func measureRedis(ctx context.Context, j job) (*redisFigures, error) {
	server, err := startRedis(ctx, j.Directory)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	client, err := server.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer client.close()
	z := &zadder{client, newPopulation(zipfSplit(j.Members, j.Segments), j.Seed), make([][]int, j.Segments)}
	var empty, point redisPoint
	if empty, err = z.look(0); err != nil {
		return nil, err
	}
	f := &redisFigures{}
	put := 0
	for _, size := range j.Sizes {
		if err := z.fill(put, size); err != nil {
			return nil, err
		}
		put = size
		if point, err = z.look(size); err != nil {
			return nil, err
		}
		point.Used, point.RSS = point.Used-empty.Used, point.RSS-empty.RSS
		if point.Rate, err = z.renew(newWalk(size, j.Seed+2)); err != nil {
			return nil, err
		}
		f.Points = append(f.Points, point)
	}
	return f, nil
}

func (z *zadder) look(members int) (p redisPoint, err error) {
	p.Members = members
	time.Sleep(redisLookPause)
	if p.Used, err = z.info("memory", "used_memory"); err != nil {
		return p, err
	}
	p.RSS, err = z.info("memory", "used_memory_rss")
	return p, err
}

// fill puts the memberships from one number up to another.
func (z *zadder) fill(from, to int) error {
	for from < to {
		upTo := min(from+zaddGather, to)
		for s := range z.groups {
			z.groups[s] = z.groups[s][:0]
		}
		for i := from; i < upTo; i++ {
			s := z.people.segment(i)
			z.groups[s] = append(z.groups[s], i)
		}
		commands := 0
		for s, members := range z.groups {
			if len(members) > 0 {
				z.zadd(s, 0, members...)
				commands++
			}
		}
		added, err := z.send(commands)
		if err != nil {
			return err
		}
		if added != int64(upTo-from) {
			return fmt.Errorf("redis added %d memberships of %d", added, upTo-from)
		}
		from = upTo
	}
	return nil
}

// zadd adds a command that puts members of one segment.
func (z *zadder) zadd(segment, renewals int, members ...int) {
	var id [idBytesMax]byte
	var score [20]byte
	z.begin(3 + 2*len(members))
	z.word([]byte("ZADD"))
	z.word(z.people.titles[segment])
	z.word([]byte("GT"))
	for _, i := range members {
		z.word(strconv.AppendInt(score[:0], z.people.expiry(i, renewals), 10))
		z.word(z.people.appendID(id[:0], i))
	}
}

// renew renews members along the walk, one in a command, and returns the rate as seen
// by the client: sending, and waiting for the replies. Encoding is not timed.
func (z *zadder) renew(w *walk) (float64, error) {
	n := min(zaddRenewals, w.n) / zaddPipeline * zaddPipeline
	var took time.Duration
	for range n / zaddPipeline {
		for range zaddPipeline {
			i, round := w.next()
			z.zadd(z.people.segment(i), round, i)
		}
		began := time.Now()
		added, err := z.send(zaddPipeline)
		took += time.Since(began)
		if err != nil {
			return 0, err
		}
		if added != 0 {
			return 0, fmt.Errorf("redis added %d memberships that it should have renewed", added)
		}
	}
	return perSecond(n, took), nil
}

// rows puts Redis beside what a machine of the same size takes.
func (f *redisFigures) rows(ours []*memoryFigures) []row {
	var rows []row
	for _, p := range f.Points {
		each := float64(p.Used) / float64(p.Members)
		rows = append(rows,
			row{What: "Redis ZADD, used_memory, " + millions(p.Members), Value: each, Unit: perMembership},
			row{What: "  used_memory_rss", Value: float64(p.RSS) / float64(p.Members), Unit: perMembership},
			row{What: "  ZADD GT, pipelined renewals", Value: p.Rate, Unit: "memberships/s"})
		for at, m := range ours {
			if m.Members != p.Members {
				continue
			}
			times := row{What: "  times ours as it is", Value: each * float64(m.Members) / float64(m.AsItIs.total()), Unit: "ratio"}
			if at == len(ours)-1 {
				times = times.atLeast(7)
			}
			rows = append(rows, times)
		}
	}
	return rows
}
