#include "smtpd/playback.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "smtpd/evidencelist.h"

/* Lines, each with mark in front. */
static void
show(char mark, struct replytext const *reply)
{
  char const *line = reply->text;
  char const *end = line + reply->used;
  while (line < end) {
    char const *lf = memchr(line, '\n', (size_t)(end - line));
    size_t n = (size_t)((lf ? lf + 1 : end) - line);
    printf("%c ", mark);
    fwrite(line, 1, n, stdout);
    line += n;
    if (!lf)
      putchar('\n');
  }
  if (reply->too_long)
    printf("%c ...\n", mark);
}

/* What was heard instead of a reply. */
static void
remark(char const *text)
{
  fputs("+ (", stdout);
  evidencelist_put(text, strlen(text));
  fputs(")\n", stdout);
}

static void
differ(struct playback *play, uint64_t line)
{
  play->differences++;
  printf("@ %" PRIu64 "\n", line);
}

/* Read a whole reply. */
static enum smtpwire_heard
hear(struct playback *play)
{
  char const *line;
  size_t n;
  replytext_clear(&play->heard);
  while (!play->heard.whole) {
    enum smtpwire_heard result = smtpwire_hear(&play->wire, &line, &n);
    if (result != SMTPWIRE_LINE)
      return result;
    replytext_add(&play->heard, line, n);
    replytext_end_line(&play->heard);
  }
  if (play->heard.too_long) {
    play->wire.error = "the server's reply is too long";
    return SMTPWIRE_LOST;
  }
  return SMTPWIRE_LINE;
}

/* Why there is no reply. */
static void
remark_failure(struct playback *play, enum smtpwire_heard result)
{
  char text[64];
  snprintf(text, sizeof text, "no reply within %u seconds", play->wire.limit_s);
  remark(result == SMTPWIRE_SILENT ? text : play->wire.error);
  if (result != SMTPWIRE_SILENT)
    play->is_over = true;
}

/* Hear the reply to the one that is kept, if there is one. */
static void
settle(struct playback *play)
{
  if (!play->kept.lines || play->is_over)
    return;
  enum smtpwire_heard result = hear(play);
  bool same = result == SMTPWIRE_LINE &&
              replytext_same(&play->kept, &play->heard, play->exact);
  if (!same) {
    differ(play, play->reply_line);
    show('-', &play->kept);
  }
  if (!same || play->all)
    show(same ? ' ' : '+', &play->heard);
  if (result != SMTPWIRE_LINE)
    remark_failure(play, result);
  replytext_clear(&play->kept);
}

/* What the server says that it did not say then, to the end of the connection
 * or the time limit. */
static void
hear_rest(struct playback *play, uint64_t line)
{
  enum smtpwire_heard result = SMTPWIRE_LINE;
  for (int i = 0; i < PLAYBACK_REST_MAX && result == SMTPWIRE_LINE; i++) {
    result = hear(play);
    if (play->heard.lines) {
      differ(play, line);
      show('+', &play->heard);
    }
  }
  if (result != SMTPWIRE_LOST) {
    differ(play, line);
    remark(result == SMTPWIRE_SILENT ? "the connection stays open" : "...");
  }
  play->is_over = true;
}

/* The next n bytes of the client's, or as many as are kept. */
static enum evidencefile_result
send_bytes(struct playback *play, uint64_t n, uint64_t line)
{
  while (n && !play->is_over) {
    size_t most = n < sizeof play->packet ? (size_t)n : sizeof play->packet;
    size_t some;
    enum evidencefile_result result =
        evidencefile_bytes(&play->bytes, play->packet, most, &some);
    if (result != EVIDENCEFILE_PIECE)
      return result;
    n -= some;
    if (smtpwire_write(&play->wire, play->packet, some) == -1) {
      differ(play, line);
      puts("- (all was taken)");
      remark(play->wire.error);
      hear_rest(play, line);
    }
  }
  return EVIDENCEFILE_END;
}

/* Wait as long as the client did. */
static void
pause_for(struct playback const *play, uint64_t ms)
{
  int64_t left_ms = (int64_t)ms - play->last_ms;
  int64_t most_ms = (int64_t)play->pause_s * 1000;
  int64_t end_ms = clock_ms() + (left_ms < most_ms ? left_ms : most_ms);
  while ((left_ms = end_ms - clock_ms()) > 0)
    poll(NULL, 0, (int)left_ms);
}

static enum evidencefile_result
play_packet(struct playback *play, struct evidence_piece const *piece)
{
  char kind = 0;
  enum evidencefile_result result = evidencefile_peek(&play->bytes, &kind);
  if (result != EVIDENCEFILE_PIECE && result != EVIDENCEFILE_END)
    return result;
  if (kind != 'D')
    settle(play);
  if (play->is_over)
    return EVIDENCEFILE_END;
  pause_for(play, piece->ms);
  play->last_ms = (int64_t)piece->ms;
  play->announced += piece->number;
  if (play->announced < piece->number)
    play->announced = UINT64_MAX;
  return send_bytes(play, piece->number, piece->line);
}

/* Of the client's bytes themselves: sent already, unless no packet had them. */
static enum evidencefile_result
play_bytes(struct playback *play, struct evidence_piece const *piece)
{
  /* What was dropped had come before the reply left. */
  if (piece->kind != 'D')
    settle(play);
  play->passed += piece->n;
  if (piece->last && play->passed > play->announced) {
    uint64_t n = play->passed - play->announced;
    play->announced = play->passed;
    enum evidencefile_result result = send_bytes(play, n, piece->line);
    if (result != EVIDENCEFILE_END)
      return result;
  }
  if (!play->all)
    return EVIDENCEFILE_END;
  if (piece->first)
    fputs("> ", stdout);
  if (piece->kind != 'B')
    evidencelist_put(piece->bytes, piece->n);
  else if (piece->first)
    printf("(%" PRIu64 " bytes)", piece->number);
  if (piece->last)
    putchar('\n');
  return EVIDENCEFILE_END;
}

static void
play_reply(struct playback *play, struct evidence_piece const *piece)
{
  if (piece->first && play->kept.whole)
    settle(play);
  if (!play->kept.lines && piece->first)
    play->reply_line = piece->line;
  replytext_add(&play->kept, piece->bytes, piece->n);
  if (piece->last)
    replytext_end_line(&play->kept);
}

static void
play_tls(struct playback *play, uint64_t line)
{
  settle(play);
  if (play->is_over)
    return;
  if (smtpwire_secure(&play->wire, play->target, false) == -1) {
    differ(play, line);
    puts("- (TLS)");
    remark(play->wire.error);
    play->is_over = true;
  } else if (play->all)
    puts("  (TLS)");
}

/* E, whose text is why: if the client went away, so do we. */
static void
play_end(struct playback *play, char const *why, size_t n, uint64_t line)
{
  static char const *const by_client[] = {"eof", "reset", "handshake"};
  settle(play);
  if (play->is_over)
    return;
  for (size_t i = 0; i < sizeof by_client / sizeof *by_client; i++)
    if (n == strlen(by_client[i]) && !memcmp(why, by_client[i], n))
      shutdown(play->wire.fd, SHUT_WR);
  hear_rest(play, line);
}

static enum evidencefile_result
play_piece(struct playback *play, struct evidence_piece const *piece)
{
  enum evidencefile_result result = EVIDENCEFILE_END;
  switch (piece->kind) {
  case 'P':
    return play_packet(play, piece);
  case 'C':
  case 'B':
  case 'D':
    result = play_bytes(play, piece);
    break;
  case 'S':
    play_reply(play, piece);
    break;
  case 'T':
    play_tls(play, piece->line);
    break;
  case 'X':
    settle(play);
    play->was_cut = play->is_over = true;
    break;
  case 'E':
    play_end(play, piece->bytes, piece->n, piece->line);
  }
  play->last_ms = (int64_t)piece->ms;
  return result;
}

enum evidencefile_result
playback_run(struct playback *play)
{
  struct evidence_piece piece;
  int at_once =
      1; /* the kernel is to join no packets; no matter if it cannot */
  setsockopt(play->wire.fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  while (!play->is_over) {
    enum evidencefile_result result = evidencefile_next(&play->events, &piece);
    if (result == EVIDENCEFILE_END) {
      play->was_cut = true;
      settle(play);
      break;
    }
    if (result == EVIDENCEFILE_PIECE)
      result = play_piece(play, &piece);
    if (result != EVIDENCEFILE_END)
      return result;
  }
  return EVIDENCEFILE_END;
}
