// SPDX-License-Identifier: MIT
// Counter blocks: layout, sums over workers, a reader beside writers, and the three renderings.
#include "metrics/metrics.h"

#include <pthread.h>

#include "base/sbuf.h"
#include "tap.h"

struct counters {
	struct metric requests, conns, conns_max;
};

static const struct metric_row rows[] = {
    {"server_requests_total", "req_tot", offsetof(struct counters, requests), METRIC_COUNTER, NULL,
     "Requests\nsent."},
    {"server_conns", "scur", offsetof(struct counters, conns), METRIC_GAUGE, NULL, "Open now."},
    {"server_conns_max", "smax", offsetof(struct counters, conns_max), METRIC_MAX, NULL, "Peak."},
    {0}};

static const struct metric_row other_rows[] = {
    {"accepted_total", NULL, offsetof(struct counters, conns), METRIC_COUNTER, "things",
     "Accepted."},
    {"server_conns", "scur", offsetof(struct counters, requests), METRIC_GAUGE, NULL, "Open now."},
    {0}};

static void
test_blocks(void)
{
	struct metric_blocks b;
	metrics_init(&b, sizeof(struct counters), 3);
	IS_INT(b.stride_bytes, 64);
	IS_INT((uintptr_t)metrics_of(&b, 1) % 64, 0);
	struct counters *one = metrics_of(&b, 0), *two = metrics_of(&b, 2);
	METRIC_ADD(&one->requests, 5);
	METRIC_ADD(&two->requests, 7);
	METRIC_ADD(&one->conns, 1);
	METRIC_ADD(&two->conns, -3);
	METRIC_RAISE(&one->conns_max, 9);
	METRIC_RAISE(&one->conns_max, 4);
	METRIC_RAISE(&two->conns_max, 6);
	IS_INT(metrics_read(&b, &rows[0]), 12);
	IS_INT((int64_t)metrics_read(&b, &rows[1]), -2);
	IS_INT(metrics_read(&b, &rows[2]), 9);
	metrics_clear(&b, 0, rows);
	IS_INT(metrics_read(&b, &rows[0]), 7);
	IS_INT((int64_t)metrics_read(&b, &rows[1]), -2);
	IS_INT(metrics_read(&b, &rows[2]), 6);
	metrics_fini(&b);
	OK(b.mem == NULL);
}

static void *
count_many(void *arg)
{
	struct counters *c = arg;
	for (int i = 0; i < 100000; i++)
		METRIC_ADD(&c->requests, 1);
	return NULL;
}

static void
test_threads(void)
{
	struct metric_blocks b;
	pthread_t t[2];
	uint64_t last = 0;
	bool grows = true;
	metrics_init(&b, sizeof(struct counters), 2);
	for (unsigned i = 0; i < 2; i++)
		OK(pthread_create(&t[i], NULL, count_many, metrics_of(&b, i)) == 0);
	for (int i = 0; i < 1000; i++) {
		uint64_t now = metrics_read(&b, &rows[0]);
		grows = grows && now >= last;
		last = now;
	}
	for (unsigned i = 0; i < 2; i++)
		OK(pthread_join(t[i], NULL) == 0);
	OK_MSG(grows, "a reader beside the writers never sees a counter fall");
	IS_INT(metrics_read(&b, &rows[0]), 200000);
	metrics_fini(&b);
}

static void
test_histogram(void)
{
	static const struct metric_row times[] = {
	    {.name = "call_seconds", .kind = METRIC_HISTOGRAM, .help = "Time."}, {.name = NULL}};
	struct metric_blocks b;
	struct sbuf out;
	sbuf_init(&out, 65536);
	metrics_init(&b, sizeof(struct metric_histogram), 2);
	for (unsigned i = 0; i < 2; i++) {
		struct metric_histogram *h = metrics_of(&b, i);
		METRIC_ADD(&h->bucket[0], 1); // below the least bound that is printed
		METRIC_ADD(&h->bucket[7], 2); // 128 to 255 ns
		METRIC_ADD(&h->bucket[METRIC_BUCKETS - 1], 1);
		METRIC_ADD(&h->sum_ns, 10000500);
	}
	struct metric_label labels[] = {{"function", STR("f")}, {0}};
	struct metric_object object = {times, &b, labels, NULL};
	metrics_render_prometheus(&object, 1, &out);
	struct str s = sbuf_str(&out);
	OK(str_starts(s, STR("# HELP tidegate_call_seconds Time.\n"
			     "# TYPE tidegate_call_seconds histogram\n"
			     "tidegate_call_seconds_bucket{function=\"f\",le=\"1.28e-07\"} 2\n"
			     "tidegate_call_seconds_bucket{function=\"f\",le=\"2.56e-07\"} 6\n"
			     "tidegate_call_seconds_bucket{function=\"f\",le=\"5.12e-07\"} 6\n")));
	OK(str_ends(s, STR("tidegate_call_seconds_bucket{function=\"f\",le=\"0.008388608\"} 6\n"
			   "tidegate_call_seconds_bucket{function=\"f\",le=\"+Inf\"} 8\n"
			   "tidegate_call_seconds_sum{function=\"f\"} 0.020001\n"
			   "tidegate_call_seconds_count{function=\"f\"} 8\n")));
	sbuf_fini(&out);
	metrics_fini(&b);
}

static void
test_render(void)
{
	struct metric_blocks a, b, c;
	struct sbuf out;
	sbuf_init(&out, 65536);
	metrics_init(&a, sizeof(struct counters), 2);
	metrics_init(&b, sizeof(struct counters), 2);
	metrics_init(&c, sizeof(struct counters), 1);
	METRIC_ADD(&((struct counters *)metrics_of(&a, 1))->requests, 3);
	METRIC_ADD(&((struct counters *)metrics_of(&b, 0))->conns, -1);
	METRIC_SET(&((struct counters *)metrics_of(&c, 0))->conns, 4);
	struct metric_label la[] = {{"backend", STR("app")}, {"server", STR("s\"1\\\n")}, {0}};
	struct metric_label lb[] = {{"backend", STR("app")}, {"server", STR("s2")}, {0}};
	struct metric_text ta[] = {{"pxname", STR("app")}, {"svname", STR("a,\"b")}, {0}};
	struct metric_object objects[] = {{rows, &a, la, ta},
					  {rows, &b, lb, NULL},
					  {other_rows, &c, NULL, NULL}};
	metrics_render_prometheus(objects, 3, &out);
	IS_STR(out.p, "# HELP tidegate_server_requests_total Requests\\nsent.\n"
		      "# TYPE tidegate_server_requests_total counter\n"
		      "tidegate_server_requests_total{backend=\"app\",server=\"s\\\"1\\\\\\n\"} 3\n"
		      "tidegate_server_requests_total{backend=\"app\",server=\"s2\"} 0\n"
		      "# HELP tidegate_server_conns Open now.\n"
		      "# TYPE tidegate_server_conns gauge\n"
		      "tidegate_server_conns{backend=\"app\",server=\"s\\\"1\\\\\\n\"} 0\n"
		      "tidegate_server_conns{backend=\"app\",server=\"s2\"} -1\n"
		      "tidegate_server_conns 0\n"
		      "# HELP tidegate_server_conns_max Peak.\n"
		      "# TYPE tidegate_server_conns_max gauge\n"
		      "tidegate_server_conns_max{backend=\"app\",server=\"s\\\"1\\\\\\n\"} 0\n"
		      "tidegate_server_conns_max{backend=\"app\",server=\"s2\"} 0\n"
		      "# HELP tidegate_accepted_total Accepted.\n"
		      "# TYPE tidegate_accepted_total counter\n"
		      "tidegate_accepted_total 4\n");
	sbuf_clear(&out);
	metrics_render_json(objects, 2, &out);
	IS_STR(out.p,
	       "[{\"labels\":{\"backend\":\"app\",\"server\":\"s\\\"1\\\\\\u000a\"},"
	       "\"stats\":{\"pxname\":\"app\",\"svname\":\"a,\\\"b\"},\"metrics\":{"
	       "\"server_requests_total\":3,\"server_conns\":0,\"server_conns_max\":0}},\n"
	       "{\"labels\":{\"backend\":\"app\",\"server\":\"s2\"},\"stats\":{},\"metrics\":{"
	       "\"server_requests_total\":0,\"server_conns\":-1,\"server_conns_max\":0}}]\n");
	static const char *const columns[] = {"pxname", "svname", "qcur", "scur", "req_tot", NULL};
	sbuf_clear(&out);
	metrics_render_csv(objects, 2, columns, &out);
	IS_STR(out.p, "# pxname,svname,qcur,scur,req_tot,\napp,\"a,\"\"b\",,0,3,\n,,,-1,0,\n");
	sbuf_clear(&out);
	metrics_render_csv(NULL, 0, metrics_haproxy_columns, &out);
	OK(str_starts(sbuf_str(&out),
		      STR("# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,")));
	OK(str_ends(sbuf_str(&out), STR(",agg_check_status,\n")));
	sbuf_fini(&out);
	metrics_fini(&a);
	metrics_fini(&b);
	metrics_fini(&c);
}

int
main(void)
{
	test_blocks();
	test_threads();
	test_histogram();
	test_render();
	return tap_done();
}
