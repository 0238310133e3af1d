package node

import (
	"context"
	"time"

	"headcount/fsm"
)

// Schedule says when ticks are due.
type Schedule interface {
	// Next returns the first instant of the schedule after t. It depends on t
	// alone.
	Next(t time.Time) time.Time
}

// tickEvery is how often a leader looks whether a tick is due.
const tickEvery = 200 * time.Millisecond

// tick proposes the ticks that are due, each for its scheduled instant, until ctx
// ends. After downtime the missed ones come first, in order.
func (r *replica) tick(ctx context.Context) {
	every(ctx, tickEvery, func() {
		for ctx.Err() == nil {
			due, ok := r.dueTick(time.Now())
			if !ok {
				return
			}
			t := fsm.Tick{Now: r.clock.now(), Scheduled: due.Unix()}
			if _, err := r.group.apply(ctx, fsm.AppendTick(nil, t)); err != nil {
				// It may yet be applied; proposed again it changes nothing.
				r.logger.Warn("tick not applied yet", "scheduled", due, "err", err)
				return
			}
		}
	})
}

// dueTick returns the earliest tick that is owed at now. A leader whose clock the
// majority does not share owes none: it would drain too early.
func (r *replica) dueTick(now time.Time) (time.Time, bool) {
	schedule := r.schedule()
	if schedule == nil || !r.clock.trusted(r.self, r.voters()) {
		return time.Time{}, false
	}
	stats := r.machine.Stats()
	last := time.Unix(stats.LastTick, 0)
	next := schedule.Next(last)
	if next.After(now) {
		return next, false
	}
	// More missed ticks than the history keeps would only push each other out.
	gap := schedule.Next(schedule.Next(now)).Unix() - schedule.Next(now).Unix()
	oldest := now.Unix() - gap*int64(max(stats.Settings.HistoryPoints, 1))
	if next.Unix() < oldest {
		next = schedule.Next(time.Unix(oldest, 0))
	}
	return next, !next.After(now)
}
