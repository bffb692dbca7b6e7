/* test_rest.c - the server's side of the transport: what it takes, what it refuses, what it
 * answers.
 *
 * Pitfalls: O22 (paths), O24 (routes without credentials), R42 (no-store), O29 (slow and many).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "rest_rig.h"

#include <zlib.h>

static void
setup (void)
{
  world_open ();
  set_option ("max_body_bytes", "65536");
  world_listen ();
}

/* ---- Routes ---------------------------------------------------------------------------------- */

static const char *
path_with_id (const struct mantis_route *route)
{
  static char path[100];

  snprintf (path, sizeof path, "%.*s%s", (int)strcspn (route->path, "{"), route->path,
            strchr (route->path, '{') ? "c-1" : "");
  return path;
}

static int
ask_route (struct peer *peer, const char *method, const char *path, const char *fields)
{
  char text[600];
  int length =
      snprintf (text, sizeof text, "%s %s HTTP/1.1\r\nHost: h\r\n%s\r\n", method, path, fields);

  return status_of (peer, text, (size_t)length);
}

START_TEST (each_route_reaches_its_message)
{
  struct peer *peer = peer_open ();

  for (const struct mantis_route *route = OPS->routes; route->method; route++) {
    const char *path = path_with_id (route);
    if (strcmp (route->message, "connect") == 0)
      continue; /* needs another transport */
    ck_assert_int_eq (ask_route (peer, route->method, path, "Authorization: Bearer t0ken\r\n"),
                      200);
    ck_assert_str_eq (core.last.message, route->message);
    ck_assert_str_eq (core.last.credentials.bearer, "t0ken");
    ck_assert_str_eq (core.last.credentials.peer, "127.0.0.1");
    ck_assert_int_eq (core.last.argument != NULL, strchr (route->path, '{') != NULL);
    if (core.last.argument)
      ck_assert_str_eq (core.last.argument, "c-1");
    ck_assert_str_eq (header_of (peer, "Cache-Control"), "no-store"); /* R42 */
  }
  ck_assert_uint_eq (peer->count, core.submitted);
  peer_close (peer);
}
END_TEST

/* O24: whatever the method, nothing but the open routes reaches the core without credentials. */
START_TEST (without_credentials_only_open_routes_answer)
{
  static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE"};
  struct peer *peer = peer_open ();

  for (const struct mantis_route *route = OPS->routes; route->method; route++)
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
      size_t before = core.submitted;
      peer->bodiless = strcmp (methods[i], "HEAD") == 0;
      int status = ask_route (peer, methods[i], path_with_id (route), "");
      if (route->open)
        ck_assert_int_ne (status, 401);
      else {
        ck_assert_int_eq (status, 401);
        ck_assert_str_eq (header_of (peer, "WWW-Authenticate"), "Bearer");
        ck_assert_uint_eq (core.submitted, before);
      }
    }
  peer_close (peer);
}
END_TEST

/* O22: an address that only looks like a route is none. */
START_TEST (paths_are_taken_as_they_stand)
{
  static const char *const forms[] = {"/%s",     "/.%s",    "%s/",    "%s/.",
                                      "%s//",    "%s%%20",  "%s%%00", "%s;a=b",
                                      "/x/..%s", "/%%2e%s", "%s%%2f", "%s.json"};
  struct peer *peer = peer_open ();
  char path[200];

  for (const struct mantis_route *route = OPS->routes; route->method; route++) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      snprintf (path, sizeof path, forms[i], path_with_id (route));
#pragma GCC diagnostic pop
      ck_assert_msg (ask_route (peer, route->method, path, "Authorization: Bearer t\r\n") == 404,
                     "%s", path);
    }
    snprintf (path, sizeof path, "%s", path_with_id (route));
    path[1] = (char)(path[1] - 32);
    ck_assert_int_eq (ask_route (peer, route->method, path, "Authorization: Bearer t\r\n"), 404);
  }
  ck_assert_int_eq (ask_route (peer, "GET", "/", ""), 404);
  ck_assert_int_eq (ask_route (peer, "POST", "/sync/%70ush", "Authorization: Bearer t\r\n"), 404);
  ck_assert_uint_eq (core.submitted, 0);
  peer_close (peer);
}
END_TEST

START_TEST (a_whole_url_is_its_path)
{
  ck_assert_int_eq (ask (GET ("http://h:80/sync/status")), 200);
  ck_assert_int_eq (ask ("GET http://h/sync/status HTTP/1.1\r\nHost: h\r\n\r\n"), 401);
  ck_assert_int_eq (ask (GET ("http://h/sync/../sync/status")), 404);
}
END_TEST

START_TEST (methods)
{
  struct peer *peer = peer_open ();

  ck_assert_int_eq (ask_route (peer, "OPTIONS", "/sync/push", "Authorization: Bearer t\r\n"), 204);
  ck_assert_str_eq (header_of (peer, "Allow"), "POST, OPTIONS");
  ck_assert_int_eq (ask_route (peer, "DELETE", "/sync/status", "Authorization: Bearer t\r\n"), 405);
  ck_assert_str_eq (header_of (peer, "Allow"), "GET, HEAD, OPTIONS");
  ck_assert_int_eq (ask_route (peer, "OPTIONS", "*", ""), 204);
  peer->bodiless = true;
  ck_assert_int_eq (ask_route (peer, "HEAD", "/healthz", ""), 200);
  ck_assert_str_eq (header_of (peer, "Content-Length"), "2");
  peer->bodiless = false;
  ck_assert_int_eq (ask_route (peer, "GET", "/healthz", ""), 200);
  ck_assert_uint_eq (peer->length, 2);
  ck_assert_int_eq (ask_route (peer, "TRACE", "/healthz", ""), 405);
  ck_assert_int_eq (ask_route (peer, "FROB", "/healthz", ""), 501);
  WAIT_FOR (peer->closed);
  peer_close (peer);
  ck_assert_int_eq (ask ("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n"), 404);
}
END_TEST

START_TEST (the_query_is_the_argument_of_what_is_read)
{
  ck_assert_int_eq (ask (GET ("/sync/conflicts?table=notes&after=7")), 200);
  ck_assert_str_eq (core.last.argument, "table=notes&after=7");
  ck_assert_int_eq (ask (GET ("/sync/conflicts?")), 200);
  ck_assert_ptr_null (core.last.argument);
  ck_assert_int_eq (ask ("POST /sync/conflicts/0a-F_9?x=1 HTTP/1.1\r\n" AUTH "\r\n"), 200);
  ck_assert_str_eq (core.last.argument, "0a-F_9");
  ck_assert_int_eq (ask ("POST /sync/conflicts/a%2fb HTTP/1.1\r\n" AUTH "\r\n"), 404);
  ck_assert_int_eq (ask ("POST /sync/conflicts/ HTTP/1.1\r\n" AUTH "\r\n"), 404);
}
END_TEST

/* ---- Header fields --------------------------------------------------------------------------- */

static const struct {
  const char *fields;
  int status;
} credentials[] = {
    {"Authorization: Bearer a.b-c_d~e+f/g==\r\n", 200},
    {"authorization: bearer   x\r\n", 200},
    {"Authorization: Bearer\r\n", 401},
    {"Authorization: Bearer \r\n", 401},
    {"Authorization: Bearer a b\r\n", 401},
    {"Authorization: Bearer \xc3\xa9\r\n", 401},
    {"Authorization: Basic YTpi\r\n", 401},
    {"Authorization: x\r\n", 401},
    {"Authorization:\r\n", 401},
    {"Authorization: Bearer a\r\nAuthorization: Bearer a\r\n", 400},
    {"Cookie: token=a\r\n", 401},
};

START_TEST (credentials_come_from_one_place)
{
  struct peer *peer = peer_open ();

  ck_assert_int_eq (ask_route (peer, "POST", "/sync/push", credentials[_i].fields),
                    credentials[_i].status);
  ck_assert_int_eq (ask_route (peer, "POST", "/sync/push?access_token=x", ""), 400);
  peer_close (peer);
}
END_TEST

START_TEST (the_sender_is_named_in_the_header)
{
  ck_assert_int_eq (ask (POST ("Mantis-Node: n1\r\nmantis-epoch: e9\r\n"
                               "Mantis-Revision:  todos=41, notes=7 \t\r\n",
                               2, "{}")),
                    200);
  ck_assert_str_eq (core.last.node, "n1");
  ck_assert_str_eq (core.last.epoch, "e9");
  ck_assert_str_eq (core.last.revisions, "todos=41, notes=7");
  ck_assert_str_eq (core.body, "{}");
  ck_assert_int_eq (ask (POST ("", 0, "")), 200);
  ck_assert_ptr_null (core.last.node);
  ck_assert_uint_eq (core.length, 0);
  ck_assert_int_eq (ask (POST ("Mantis-Node: a\r\nMantis-Node: b\r\n", 0, "")), 400);
  ck_assert_int_eq (ask (POST ("Mantis-Node:\r\n", 0, "")), 400);
  ck_assert_int_eq (ask (POST ("Mantis-Epoch: \xff\r\n", 0, "")), 400);
}
END_TEST

static const struct {
  const char *type;
  int status;
} types[] = {
    {"application/json", 200},
    {"Application/JSON;charset=UTF-8", 200},
    {"application/json; charset=\"utf-8\"; a=b", 200},
    {"application/octet-stream", 200},
    {"application/x-www-form-urlencoded", 200},
    {"application/json; charset=utf-16", 415},
    {"application/json; charset=utf-81", 415},
    {"application/json; charset=\"utf-8", 415},
    {"application/jsonx", 415},
    {"application/json x", 415},
    {"text/xml", 415},
    {"multipart/form-data; boundary=x", 415},
    {"", 415},
};

START_TEST (media_types)
{
  char text[300];

  snprintf (text, sizeof text,
            "POST /sync/push HTTP/1.1\r\n" AUTH "Content-Type: %s\r\nContent-Length: 2\r\n\r\n{}",
            types[_i].type);
  ck_assert_int_eq (ask (text), types[_i].status);
}
END_TEST

START_TEST (expect_is_answered)
{
  struct peer *peer = peer_open ();

  ck_assert_int_eq (ask (POST ("Expect: 200-ok\r\n", 2, "{}")), 417);
  ck_assert_int_eq (status_of (peer, POST ("Expect: 100-continue\r\n", 2, ""),
                               strlen (POST ("Expect: 100-continue\r\n", 2, ""))),
                    100);
  ck_assert_int_eq (status_of (peer, "{}", 2), 200);
  peer_close (peer);
}
END_TEST

/* ---- Framing: what two programs could read in two ways is refused, and the connection ends --- */

#define TE(fields, body) "POST /sync/push HTTP/1.1\r\n" AUTH fields "\r\n" body

static const struct {
  const char *text;
  int status;
} framing[] = {
    {"GET  /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /healthz  HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /healthz\r\nHost: h\r\n\r\n", 400},
    {"GET /healthz HTTP/2.0\r\nHost: h\r\n\r\n", 505},
    {"GET /healthz HTTP/1.2\r\nHost: h\r\n\r\n", 505},
    {"GET /healthz HTTP/1.10\r\nHost: h\r\n\r\n", 400},
    {"GET /healthz http/1.1\r\nHost: h\r\n\r\n", 400},
    {" GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\nHost: h\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\n\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\n A: b\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\nA: b\nC: d\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\nA b: c\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\nA\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\n: c\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\nA: \x01\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET /healthz#f HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}", 400},
    {"\r\n\r\n\r\n\r\n\r\n\r\nGET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {TE ("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"), 400},
    {TE ("Content-Length: 2, 2\r\n", "{}"), 400},
    {TE ("Content-Length: +2\r\n", "{}"), 400},
    {TE ("Content-Length: 0x2\r\n", "{}"), 400},
    {TE ("Content-Length: 2 0\r\n", "{}"), 400},
    {TE ("Content-Length:\r\n", "{}"), 400},
    {TE ("Content-Length: 0000000000000000000000002\r\n", "{}"), 400},
    {TE ("Content-Length : 2\r\n", "{}"), 400},
    {TE ("Content-Length: 65537\r\n", ""), 413},
    {TE ("Content-Length: 999999999999999999\r\n", ""), 413},
    {TE ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
    {TE ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
    {TE ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501},
    {TE ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 400},
    {TE ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400},
    {"POST /sync/push HTTP/1.0\r\n" AUTH "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
#define CHUNKS(body) TE ("Transfer-Encoding: chunked\r\n", body)
    {CHUNKS ("2\n{}\r\n0\r\n\r\n"), 400},
    {CHUNKS ("2\r\n{}\n0\r\n\r\n"), 400},
    {CHUNKS ("2\r\n{}0\r\n\r\n"), 400},
    {CHUNKS ("2\r\n{}XX0\r\n\r\n"), 400},
    {CHUNKS ("2 \r\n{}\r\n0\r\n\r\n"), 400},
    {CHUNKS ("+2\r\n{}\r\n0\r\n\r\n"), 400},
    {CHUNKS ("0x2\r\n{}\r\n0\r\n\r\n"), 400},
    {CHUNKS ("\r\n{}\r\n0\r\n\r\n"), 400},
    {CHUNKS ("10000000000000002\r\n{}\r\n0\r\n\r\n"), 400},
    {CHUNKS ("2;\r\n{}\r\n0\r\n\r\n"), 400},
    {CHUNKS ("2;a=\x01\r\n{}\r\n0\r\n\r\n"), 400},
    {CHUNKS ("2\r\n{}\r\n0\r\n T: x\r\n\r\n"), 400},
    {CHUNKS ("2\r\n{}\r\n0\r\nT: x\n\r\n"), 400},
    {CHUNKS ("ffffff\r\n{}"), 413},
};

START_TEST (ambiguous_framing_is_refused)
{
  struct peer *peer = peer_open ();
  char text[1000];
  int length = snprintf (text, sizeof text, "%s" GET ("/healthz"), framing[_i].text);

  /* A body that is larger than it may be is noticed when it arrives. */
  if (strstr (text, "ffffff")) {
    char *much = calloc (1, 80000);
    peer_send (peer, framing[_i].text, strlen (framing[_i].text));
    ck_assert_int_eq (status_of (peer, much, 80000), 413);
    free (much);
  } else
    ck_assert_int_eq (status_of (peer, text, (size_t)length), framing[_i].status);
  WAIT_FOR (peer->closed);
  ck_assert_uint_eq (peer->count, 1);
  ck_assert_uint_eq (core.submitted, 0);
  ck_assert_str_eq (header_of (peer, "Content-Type"), "application/problem+json");
  ck_assert_str_eq (header_of (peer, "Connection"), "close");
  peer_close (peer);
}
END_TEST

/* Cut at each byte, so that nothing depends on how the network cuts. */
START_TEST (chunked_bodies_arrive)
{
  static const char text[] =
      "\r\n" CHUNKS ("3;a=\"b\";c\r\n{\"a\r\n3\r\n\":1\r\n01\r\n}\r\n0\r\nT: x\r\n\r\n");

  for (size_t cut = 1; cut < sizeof text - 1; cut++) {
    struct peer *peer = peer_open ();
    peer_send (peer, text, cut);
    WAIT_FOR (evbuffer_get_length (bufferevent_get_output (peer->bev)) == 0);
    event_base_loop (base, EVLOOP_NONBLOCK);
    ck_assert_int_eq (status_of (peer, text + cut, sizeof text - 1 - cut), 200);
    ck_assert_str_eq (core.body, "{\"a\":1}");
    peer_close (peer);
  }
}
END_TEST

START_TEST (header_limits)
{
  struct mantis_buf many = MANTIS_BUF_INIT, large = MANTIS_BUF_INIT, path = MANTIS_BUF_INIT;

  mantis_buf_text (&many, "GET /healthz HTTP/1.1\r\nHost: h\r\n");
  for (int i = 0; i < 100; i++)
    mantis_buf_printf (&many, "X-%d: v\r\n", i);
  mantis_buf_text (&many, "\r\n");
  ck_assert_int_eq (ask (many.bytes), 431);
  mantis_buf_text (&large, "GET /healthz HTTP/1.1\r\nHost: h\r\nX: ");
  mantis_buf_text (&path, "GET /");
  for (int i = 0; i < 2000; i++) {
    mantis_buf_text (&large, "1234567890");
    mantis_buf_text (&path, "1234567890");
  }
  ck_assert_int_eq (ask (large.bytes), 431);
  ck_assert_int_eq (ask (path.bytes), 414);
  mantis_buf_free (&many), mantis_buf_free (&large), mantis_buf_free (&path);
}
END_TEST

/* ---- Bodies and compression ------------------------------------------------------------------ */

/* SIZE bytes of 'a' in gzip. */
static size_t
gzip_of (unsigned char *out, size_t room, size_t size)
{
  z_stream z = {0};
  unsigned char block[1000];
  int result = Z_OK;

  memset (block, 'a', sizeof block);
  deflateInit2 (&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
  z.next_out = out;
  z.avail_out = (unsigned)room;
  while (size) {
    z.next_in = block;
    z.avail_in = (unsigned)(size < sizeof block ? size : sizeof block);
    size -= z.avail_in;
    result = deflate (&z, size ? Z_NO_FLUSH : Z_FINISH);
  }
  ck_assert_int_eq (result, Z_STREAM_END);
  deflateEnd (&z);
  return room - z.avail_out;
}

static int
ask_gzip (const unsigned char *body, size_t length)
{
  struct peer *peer = peer_open ();
  char head[300];
  int status;

  peer_send (peer, head,
             (size_t)snprintf (head, sizeof head,
                               "POST /sync/push HTTP/1.1\r\n" AUTH "Content-Encoding: gzip\r\n"
                               "Content-Length: %zu\r\n\r\n",
                               length));
  status = status_of (peer, (const char *)body, length);
  peer_close (peer);
  return status;
}

START_TEST (gzip_bodies)
{
  static unsigned char z[200000];
  size_t length = gzip_of (z, sizeof z, 5000), more;

  ck_assert_int_eq (ask_gzip (z, length), 200);
  ck_assert_uint_eq (core.length, 5000);
  ck_assert_uint_eq (strspn (core.body, "a"), 5000);
  more = gzip_of (z + length, sizeof z - length, 7); /* RFC 1952: members follow each other */
  ck_assert_int_eq (ask_gzip (z, length + more), 200);
  ck_assert_uint_eq (core.length, 5007);
  ck_assert_int_eq (ask_gzip (z, length + more - 1), 400);
  ck_assert_int_eq (ask_gzip (z, length / 2), 400);
  ck_assert_int_eq (ask_gzip (z, 0), 400);
  z[length - 6] ^= 1; /* its checksum */
  ck_assert_int_eq (ask_gzip (z, length), 400);
  length = gzip_of (z, sizeof z, 65536); /* the limit, and one more */
  ck_assert_int_eq (ask_gzip (z, length), 200);
  ck_assert_uint_eq (core.length, 65536);
  ck_assert_int_eq (ask_gzip (z, gzip_of (z, sizeof z, 65537)), 413);
  length = gzip_of (z, sizeof z, 60000000); /* a bomb */
  ck_assert_uint_lt (length, 65536);
  ck_assert_int_eq (ask_gzip (z, length), 413);
  ck_assert_int_eq (ask (POST ("Content-Encoding: br\r\n", 2, "{}")), 415);
  ck_assert_int_eq (ask (POST ("Content-Encoding: identity\r\n", 2, "{}")), 200);
}
END_TEST

START_TEST (a_body_may_be_as_large_as_the_limit)
{
  struct peer *peer = peer_open ();
  char *body = malloc (65537);

  memset (body, 'x', 65537);
  peer_say (peer, POST ("", 65536, ""));
  ck_assert_int_eq (status_of (peer, body, 65536), 200);
  ck_assert_uint_eq (core.length, 65536);
  peer_close (peer);
  free (body);
}
END_TEST

/* The text that the last answer inflates to, of less than ROOM bytes. */
static size_t
inflated (const struct peer *peer, char *out, size_t room)
{
  z_stream z = {.next_in = (unsigned char *)(uintptr_t)peer->body,
                .avail_in = (unsigned)peer->length,
                .next_out = (unsigned char *)out,
                .avail_out = (unsigned)room};

  ck_assert_ptr_nonnull (header_of (peer, "Content-Encoding"));
  inflateInit2 (&z, 31);
  ck_assert_int_eq (inflate (&z, Z_FINISH), Z_STREAM_END);
  inflateEnd (&z);
  return z.total_out;
}

static const struct {
  const char *accept;
  size_t length;
  bool small;
} accepts[] = {
    {"gzip", 5000, true},
    {"gzip", 1023, false},
    {"br, gzip;q=0.5", 1024, true},
    {"deflate", 5000, false},
    {"gzip;q=0", 5000, false},
    {"gzip; q=0.00, br", 5000, false},
    {"gzip;q=0.001", 5000, true},
    {"x-gzip", 5000, true},
    {"*", 5000, true},
    {"notgzip", 5000, false},
    {"identity;q=1,gzip", 5000, true},
};

START_TEST (answers_are_compressed_for_those_who_ask)
{
  struct peer *peer = peer_open ();
  char *text = calloc (1, 5001), out[5001], head[200];

  memset (text, 'b', accepts[_i].length);
  core_says (200, text);
  ck_assert_int_eq (status_of (peer, head,
                               (size_t)snprintf (head, sizeof head,
                                                 "GET /sync/schema HTTP/1.1\r\n" AUTH
                                                 "Accept-Encoding: %s\r\n\r\n",
                                                 accepts[_i].accept)),
                    200);
  ck_assert_int_eq (header_of (peer, "Content-Encoding") != NULL, accepts[_i].small);
  if (accepts[_i].small) {
    ck_assert_uint_lt (peer->length, 200);
    ck_assert_uint_eq (inflated (peer, out, sizeof out), accepts[_i].length);
    ck_assert_mem_eq (out, text, accepts[_i].length);
  } else
    ck_assert_uint_eq (peer->length, accepts[_i].length);
  peer_close (peer);
  free (text);
}
END_TEST

/* The core has it compressed on another thread; what was made of another answer than the one that came is dropped. */
START_TEST (what_was_compressed_beforehand_is_sent)
{
  static const char head[] = "GET /sync/schema HTTP/1.1\r\n" AUTH "Accept-Encoding: gzip\r\n\r\n";
  struct peer *peer = peer_open ();
  char early[5001] = "", late[5001] = "", out[5001];

  memset (early, 'e', 5000);
  memset (late, 'l', 5000);
  core.play = HELD;
  for (size_t i = 0; i < 2; i++) {
    core_says (200, late);
    core.answer.prepared = i == 0;
    peer_say (peer, head);
    WAIT_FOR (core.submitted == i + 1);
    ck_assert_ptr_nonnull (core.held[i].request->prepare);
    core.held[i].request->prepare (core.held[i].request, early, 5000);
    core_answer (i);
    WAIT_FOR (peer->count == i + 1);
    ck_assert_uint_eq (inflated (peer, out, sizeof out), 5000);
    ck_assert_mem_eq (out, i == 0 ? early : late, 5000);
  }
  peer_say (peer, "HEAD /sync/schema HTTP/1.1\r\n" AUTH "Accept-Encoding: gzip\r\n\r\n");
  WAIT_FOR (core.submitted == 3);
  ck_assert_ptr_null (core.held[2].request->prepare);
  core_answer (2);
  peer_close (peer);
}
END_TEST

START_TEST (what_the_core_says_is_passed_on)
{
  struct peer *peer = peer_open ();

  core_says (503, "{\"title\":\"busy\"}");
  core.answer.type = "application/problem+json";
  core.answer.retry_after = 7;
  core.play = SOON;
  ck_assert_int_eq (status_of (peer, POST ("", 2, "{}"), strlen (POST ("", 2, "{}"))), 503);
  ck_assert_str_eq (header_of (peer, "Retry-After"), "7");
  ck_assert_str_eq (header_of (peer, "Content-Type"), "application/problem+json");
  ck_assert_mem_eq (peer->body, "{\"title\":\"busy\"}", 16);
  ck_assert_str_eq (header_of (peer, "Connection"), "keep-alive");
  core_says (401, "{}");
  ck_assert_int_eq (status_of (peer, POST ("", 2, "{}"), strlen (POST ("", 2, "{}"))), 401);
  ck_assert_str_eq (header_of (peer, "WWW-Authenticate"), "Bearer");
  ck_assert_str_eq (header_of (peer, "Connection"), "keep-alive");
  core_says (503, "{}");
  core.answer.elsewhere = true;
  ck_assert_int_eq (status_of (peer, POST ("", 2, "{}"), strlen (POST ("", 2, "{}"))), 503);
  ck_assert_str_eq (header_of (peer, "Connection"), "close");
  peer_close (peer);
}
END_TEST

#define COUNT(array) ((int)(sizeof array / sizeof *array))

int
main (void)
{
  Suite *suite = suite_create ("rest: requests");
  TCase *tests = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  tcase_add_checked_fixture (tests, setup, world_close);
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, each_route_reaches_its_message);
  tcase_add_test (tests, without_credentials_only_open_routes_answer);
  tcase_add_test (tests, paths_are_taken_as_they_stand);
  tcase_add_test (tests, a_whole_url_is_its_path);
  tcase_add_test (tests, methods);
  tcase_add_test (tests, the_query_is_the_argument_of_what_is_read);
  tcase_add_loop_test (tests, credentials_come_from_one_place, 0, COUNT (credentials));
  tcase_add_test (tests, the_sender_is_named_in_the_header);
  tcase_add_loop_test (tests, media_types, 0, COUNT (types));
  tcase_add_test (tests, expect_is_answered);
  tcase_add_loop_test (tests, ambiguous_framing_is_refused, 0, COUNT (framing));
  tcase_add_test (tests, chunked_bodies_arrive);
  tcase_add_test (tests, header_limits);
  tcase_add_test (tests, gzip_bodies);
  tcase_add_test (tests, a_body_may_be_as_large_as_the_limit);
  tcase_add_loop_test (tests, answers_are_compressed_for_those_who_ask, 0, COUNT (accepts));
  tcase_add_test (tests, what_was_compressed_beforehand_is_sent);
  tcase_add_test (tests, what_the_core_says_is_passed_on);
  suite_add_tcase (suite, tests);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed != 0;
}
