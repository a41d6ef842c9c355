// SPDX-License-Identifier: MIT
// tidectl/verbs, tidectl/request: what each verb says to the socket, and that the daemon's
// tokeniser reads back what was meant. tidectl is a program of its own, so its source is included
// here.
#include <stdlib.h>

#include "cli/parse.h"
#include "tap.h"
#include "tidectl/ops.c"
#include "tidectl/request.c"
#include "tidectl/verbs.c"

static char text[8192];
static struct err err;

// The line that `tidectl WORDS` sends, or "!" and the refusal.
static const char *
line_of(const char *const *words)
{
	int n = 0;
	char *argv[16];
	while (words[n] != NULL) {
		argv[n] = (char *)(uintptr_t)words[n];
		n++;
	}
	struct request r;
	request_init(&r);
	const struct verb *v = verb_find(words[0]);
	if (v == NULL ? request_raw(&r, n, argv, &err)
		      : request_parse(&r, v, n - 1, argv + 1, &err) && request_build(&r, &err))
		snprintf(text, sizeof(text), "%s%s%s", r.line.p, r.has_payload ? "|" : "",
			 r.has_payload ? r.payload.p : "");
	else
		snprintf(text, sizeof(text), "!%s", err.text);
	request_fini(&r);
	return text;
}
// The line with the name of the user who runs this test.
static const char *
of_user(const char *format)
{
	static char line[256], name[64];
	struct sbuf b;
	user_name((uint32_t)getuid(), name, sizeof(name));
	sbuf_init(&b, sizeof(line));
	OK(quote_word(&b, str_from_c(name)));
	(void)snprintf(line, sizeof(line), format, b.p);
	sbuf_fini(&b);
	return line;
}

#define LINE(...) line_of((const char *const[]){__VA_ARGS__, NULL})

static void
test_lines(void)
{
	IS_STR(LINE("set", "maint", "1"), "set var shm.maint 1");
	IS_STR(LINE("set", "shm.maint", "1"), "set var shm.maint 1");
	IS_STR(LINE("set", "m", "-1", "--ttl", "30m", "--reason=db; migration"),
	       "set var shm.m -1 ttl 30m reason db\\;\\ migration");
	IS_STR(LINE("set", "m", ""), "set var shm.m \"\"");
	IS_STR(LINE("set", "--", "m", "--x"), "set var shm.m --x");
	IS_STR(LINE("get", "load.app1"), "get var shm.load.app1");
	IS_STR(LINE("add", "hits", "3"), "add var shm.hits 3");
	IS_STR(LINE("hold", "maint", "--owner", "deploy", "--for", "30m", "--reason", "a b"),
	       "hold maint owner deploy for 30m reason a\\ b");
	IS_STR(LINE("release", "maint"), of_user("release maint owner %s"));
	IS_STR(LINE("maint", "on", "--for", "1h"), of_user("hold maint owner %s for 1h"));
	IS_STR(LINE("maint", "off"), of_user("release maint owner %s"));
	IS_STR(LINE("maint", "status"), "get var shm.maint;show holds maint");
	IS_STR(LINE("maint", "status", "--json"), "show var maint json");
	IS_STR(LINE("get", "a", "shm.b"), "get var shm.a shm.b");
	IS_STR(LINE("cas", "a", "1", "x y", "--ttl", "5m"), "cas var shm.a 1 x\\ y ttl 5m");
	IS_STR(LINE("extend", "m", "--owner", "ci", "--for", "5m"), "extend m owner ci for 5m");
	IS_STR(LINE("holds"), "show holds");
	IS_STR(LINE("holds", "m", "--json"), "show holds m json");
	IS_STR(LINE("rate", "hits"), "rate var shm.hits");
	IS_STR(LINE("rate", "hits", "10s"), "rate var shm.hits 10s");
	IS_STR(LINE("watch", "m", "shm.n"), "watch var shm.m shm.n");
	IS_STR(LINE("watch", "m", "--json"), "watch var shm.m json");
	IS_STR(LINE("commit", "set a 1", "add shm.b 2", "release m owner ci", "--reason", "why"),
	       "begin;set var shm.a 1;add var shm.b 2;release m owner ci;commit reason why");
	IS_STR(LINE("commit", "set a 'x; y' ttl 5m", "cas b \"\" \\;"),
	       "begin;set var shm.a x\\;\\ y ttl 5m;cas var shm.b \"\" \\;;commit");
	IS_STR(LINE("commit", "hold m for 1h owner ci"), "begin;hold m owner ci for 1h;commit");
	IS_STR(LINE("vars"), "show vars");
	IS_STR(LINE("vars", "--json"), "show vars json");
	IS_STR(LINE("log"), "show vars-log");
	IS_STR(LINE("reload"), "policy load");
	IS_STR(LINE("reload", "maint"), "policy load maint");
	IS_STR(LINE("rollback", "maint"), "policy rollback maint");
	IS_STR(LINE("rollback", "maint", "3"), "policy rollback maint 3");
	IS_STR(LINE("test", "maint"), "policy test maint");
	IS_STR(LINE("servers"), "show servers");
	IS_STR(LINE("servers", "app"), "show servers app");
	IS_STR(LINE("drain", "app/s1"), "set server app/s1 state drain");
	IS_STR(LINE("disable", "app/s1"), "disable server app/s1");
	IS_STR(LINE("weight", "app/s1", "50%"), "set server app/s1 weight 50%");
	IS_STR(LINE("addr", "app/s1", "::1"), "set server app/s1 addr ::1");
	IS_STR(LINE("addr", "app/s1", "10.0.0.7", "80"), "set server app/s1 addr 10.0.0.7 port 80");
	IS_STR(LINE("addr", "app/s1", "unix@/a b"), "set server app/s1 addr unix@/a\\ b");
	IS_STR(LINE("show info;show stat"), "show info;show stat");
	IS_STR(LINE("show", "sess", "a;b"), "show sess a\\;b");
}

static void
test_refusals(void)
{
	IS_STR(LINE("set", "m"), "!usage: tidectl set NAME VALUE [--ttl TIME] [--reason TEXT]");
	IS_STR(LINE("hold", "m", "--four", "3"),
	       "!'hold' has no option '--four' (behind -- it is none); usage: tidectl hold NAME "
	       "[--owner WHO] [--for TIME] [--reason TEXT]");
	OK(LINE("set", "m", "1", "2")[0] == '!');
	OK(LINE("get", "m", "--ttl", "3")[0] == '!');
	OK(LINE("set", "m", "1", "--ttl")[0] == '!');
	OK(LINE("set", "m", "a\nb")[0] == '!');
	OK(LINE("addr", "app/s1")[0] == '!');
	OK(LINE("addr", "app/s1", "unix@/a\nb")[0] == '!');
	OK(LINE("addr", "app/s1", "::1", "80", "81")[0] == '!');
	OK(LINE("maint", "maybe")[0] == '!');
	OK(LINE("maint", "off", "--for", "3m")[0] == '!');
	OK(LINE("show info\nquit")[0] == '!');
	OK(LINE("maint", "status", "--for", "3m")[0] == '!');
	IS_STR(
	    LINE("commit", "sett a 1"),
	    "!'sett a 1': 'sett' is no write: set, unset, add, cas, hold, extend and release are");
	IS_STR(LINE("commit", "set a"), "!'set a': set: a name and a value");
	IS_STR(LINE("commit", "set a 1 for"), "!'set a 1 for': a value is missing behind 'for'");
	IS_STR(LINE("commit", "set a 1 owner x"), "!'set a 1 owner x': 'owner' is none of ttl");
	OK(strstr(LINE("commit", "set a 'x"), "an open quote") != NULL);
	OK(LINE("commit", "")[0] == '!');
	OK(strstr(LINE("reload", "p", "/no/such/file"), "cannot open /no/such/file") != NULL);
	IS_STR(verb_suggest("relaod"), "reload");
	OK(verb_suggest("xyzzyqq") == NULL);
}

static void
test_payload(void)
{
	char path[] = "/tmp/tidectl-test-XXXXXX";
	int fd = mkstemp(path);
	const char *script = "x = 'END-OF-TEXT-0'\n\nreturn x";
	OK(write(fd, script, strlen(script)) == (ssize_t)strlen(script));
	close(fd);
	// The file's name goes along, so that the answer names places in it.
	const char *with = "<<END-OF-TEXT-1|x = 'END-OF-TEXT-0'\n\nreturn x\n";
	char want[256];
	(void)snprintf(want, sizeof(want), "policy load maint %s %s", path, with);
	IS_STR(LINE("reload", "maint", path), want);
	(void)snprintf(want, sizeof(want), "policy check maint %s %s", path, with);
	IS_STR(LINE("check", "maint", path), want);
	unlink(path);
}

// Whatever bytes a word has, the daemon reads the same word.
static void
test_read_back(void)
{
	static struct cli_words words;
	unsigned seed = 7;
	bool same = true;
	for (int round = 0; round < 5000; round++) {
		char word[24];
		size_t n = 0;
		for (seed = seed * 1103515245 + 12345; n < (seed >> 16) % 20; n++) {
			static const char some[] = "ab;\\\"'<< \t$#\x80\xff=";
			seed = seed * 1103515245 + 12345;
			word[n] = some[(seed >> 16) % (sizeof(some) - 1)];
		}
		struct sbuf b;
		sbuf_init(&b, 1000);
		sbuf_add(&b, STR("set "));
		same &= quote_word(&b, str_of(word, n));
		size_t at = 0;
		same &= cli_parse_next(sbuf_str(&b), &at, &words) == CLI_PARSE_OK;
		same &= words.n == 2 && !words.payload && str_eq(words.word[1], str_of(word, n));
		sbuf_fini(&b);
	}
	OK_MSG(same, "quoted words are read back as they were");
}

static void
test_table(void)
{
	for (const struct verb *v = verbs; v->name != NULL; v++) {
		OK_MSG(v->help[0] != '\0' && v->usage != NULL, v->name);
		OK_MSG((v->line != NULL) != (v->build != NULL), v->name);
		OK_MSG(verb_find(v->name) == v, v->name);
	}
}

int
main(void)
{
	test_lines();
	test_refusals();
	test_payload();
	test_read_back();
	test_table();
	return tap_done();
}
