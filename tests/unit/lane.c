/* Which lane a process that has ended was of. */
#include <fcntl.h>
#include <unistd.h>

#include "smtpd/lane.h"
#include "tests/unit/tap.h"

enum { FIRST = 1001, SECOND };

int
main(void)
{
  static char name[] = "stage", *stage[] = {name, NULL};
  static struct stagelist list = {
      .stage = {stage, stage}, .stages = 2, .holders = 2};
  /* Lent, so that the end of a stage is a failure. */
  struct lane lane = {
      .state = LANE_LENT, .alive = 2, .list = &list, .pids = {FIRST, SECOND}};
  struct lane free_lane = {.state = LANE_FREE};
  if (dup2(open("/dev/null", O_WRONLY), 2) < 0)
    return 111;
  tap_ok(!lane_reaped(&free_lane, FIRST, 0), "a free lane has none");
  tap_ok(!lane_reaped(&lane, SECOND + 1, 0), "somebody else's");
  tap_is_number((long long)lane.alive, 2, "... changes nothing");
  tap_ok(lane_reaped(&lane, FIRST, 0), "a stage's");
  tap_is_number((long long)lane.alive, 1, "... is counted");
  tap_ok(lane.failed, "... as a failure");
  tap_ok(!lane_reaped(&lane, FIRST, 0), "its number may be another lane's now");
  tap_is_number((long long)lane.alive, 1, "... this one still has a stage");
  lane.state = LANE_ENDING;
  tap_ok(lane_reaped(&lane, SECOND, 0), "the other stage's");
  tap_is_number(lane.state, LANE_FREE, "... leaves the lane free");
  tap_is_number((long long)list.holders, 1, "... and the stages to others");
  return tap_done();
}
