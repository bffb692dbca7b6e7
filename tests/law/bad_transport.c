/* bad_transport - the transport of docs/examples/line, but for one law that $MANTIS_SIN names; tests/law/law_plugins.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
/* The reader and the writer of messages get other names here: those below stand in their place. */
#define frame_take frame_take_well
#define frame_put frame_put_well
#include "frame.c"
#undef frame_take
#undef frame_put
enum frame_state frame_take (struct evbuffer *input, size_t largest, struct frame *frame);
void frame_put (struct evbuffer *output, const char *word, uint64_t number,
                const struct fact *facts, const char *body, size_t length);

extern const struct mantis_plugin plugin_line;
/* No macro, as it is filled when it is opened: a good plugin does not run then. */
extern MANTIS_PUBLIC struct mantis_plugin mantis_plugin;
MANTIS_PUBLIC struct mantis_plugin mantis_plugin;

static struct mantis_transport ops;
static const char *wrong = "";

static bool
is (const char *name)
{
  return strcmp (wrong, name) == 0;
}

static enum mantis_status
listen_once (void *self, struct event_base *base, struct mantis_service *service,
             struct mantis_listener **listener, struct mantis_error *error)
{
  static int times;

  if (times++)
    return mantis_fail (error, MANTIS_FAILED, "once was enough");
  return line_listen (self, base, service, listener, error);
}

static void
stay (struct mantis_listener *listener)
{
  (void)listener;
}

static void
keep_link (struct mantis_link *link)
{
  (void)link;
}

/* ---- The bytes ------------------------------------------------------------------------------- */

/* A body ends where the bytes do: what lacks is made up. */
static enum frame_state
take_part (struct evbuffer *input, size_t largest, struct frame *frame)
{
  struct evbuffer_ptr head = evbuffer_search (input, "\n\n", 2, NULL);
  size_t there = evbuffer_get_length (input) - (size_t)head.pos - 2;
  struct evbuffer *whole = evbuffer_new ();
  enum frame_state state = FRAME_PART;

  if (head.pos >= 0) {
    evbuffer_add_buffer (whole, input);
    while (state == FRAME_PART && evbuffer_add (whole, "", 1) == 0)
      state = frame_take_well (whole, largest, frame);
    frame->length = there;
  }
  evbuffer_free (whole);
  return state;
}

enum frame_state
frame_take (struct evbuffer *input, size_t largest, struct frame *frame)
{
  static bool offended;
  enum frame_state state = offended ? FRAME_PART : frame_take_well (input, largest, frame);

  if (state == FRAME_PART && is ("hasty"))
    return take_part (input, largest, frame);

  if (state == FRAME_WRONG && is ("rash"))
    abort ();
  offended |= state == FRAME_WRONG && is ("offended");
  return state;
}

/* An answer begins with its status. */
void
frame_put (struct evbuffer *output, const char *word, uint64_t number, const struct fact *facts,
           const char *body, size_t length)
{
  if (is ("babbles") && *word >= '0' && *word <= '9')
    evbuffer_add_printf (output, "I had it a moment ago\n\n");
  else
    frame_put_well (output, word, number, facts, body, length);
}

/* ---- What is sent ---------------------------------------------------------------------------- */

struct told {
  mantis_answered answered;
  void *context;
};

static void
tell (void *context, const struct mantis_answer *answer)
{
  struct told told = *(struct told *)context;
  struct mantis_answer other = *answer;

  free (context);
  if (is ("waits") && !answer->status)
    return;
  if (is ("wordless"))
    other.error = NULL;
  if (is ("cheerful") && other.status >= 400)
    other.status = 200;
  if (is ("halves"))
    other.length /= 2;
  told.answered (told.context, &other);
  if (is ("twice"))
    told.answered (told.context, &other);
}

static void
send_badly (struct mantis_link *link, const struct mantis_request *request,
            mantis_answered answered, void *context)
{
  static int times;
  static struct told *last;
  struct mantis_request other = *request;
  struct told *told = malloc (sizeof *told);

  *told = (struct told){answered, context};
  if (is ("mixes") && last) { /* it is answered what the one before is, and the other way round */
    *told = *last;
    *last = (struct told){answered, context};
  }
  last = told;
  if (is ("within"))
    answered (context, &(struct mantis_answer){.size = sizeof (struct mantis_answer), .body = ""});
  if (is ("nameless"))
    other.node = NULL;
  if (is ("short") && other.length > 65536)
    other.length = 65536;
  if (is ("patient"))
    other.timeout = 3600000;
  if (is ("single") && times++)
    free (told);
  else
    line_send (link, &other, tell, told);
}

/* ---- What it takes over ---------------------------------------------------------------------- */

static void
weigh (void *self, const struct mantis_offer *offer, struct mantis_verdict *verdict)
{
  (void)self, (void)offer;
  verdict->status = 101;
}

static struct mantis_guest *
adopt (void *self, const struct mantis_handover *handover)
{
  (void)self, (void)handover;
  return NULL;
}

static void
dismiss (struct mantis_guest *guest, bool now)
{
  (void)guest, (void)now;
}

static const struct mantis_route routes[] = {{"POST", "push", "push", false},
                                             {NULL, NULL, NULL, false}};

static void __attribute__ ((constructor)) fill (void)
{
  if (getenv ("MANTIS_SIN"))
    wrong = getenv ("MANTIS_SIN");
  mantis_plugin = plugin_line;
  mantis_plugin.ops = &ops;
  ops = *(const struct mantis_transport *)plugin_line.ops;
  ops.send = send_badly;
  if (is ("stays"))
    ops.close = stay;
  if (is ("once"))
    ops.listen = listen_once;
  if (is ("deaf"))
    ops.interrupt = keep_link;
  if (is ("hangs"))
    ops.hang_up = keep_link;
  if (is ("abrupt"))
    ops.drain = line_close;
  if (is ("greedy")) {
    ops.weigh = weigh;
    ops.adopt = adopt;
    ops.dismiss = dismiss;
  }
  if (is ("astray"))
    ops.routes = routes;
}
