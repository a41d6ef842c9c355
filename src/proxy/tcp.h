// SPDX-License-Identifier: MIT
// Connections that are judged or relayed as bytes: rules at accept (tcp-request connection and
// session, in every mode), and mode tcp, where a transaction is one connection with its steps:
//     inspect -> route -> backend-inspect -> connect -> relay
#pragma once

#include "base/base.h"
#include "proxy/rule.h"

struct client;
struct module;
struct proxy;
struct txn;
struct txn_step;

// A connection just accepted, of a frontend that wants to see it (proxy.at_accept). True: it is
// taken care of, refused or relayed; false: it goes on as HTTP.
bool tcp_enter(struct client *c);
// Makes a new transaction one of mode tcp: its steps begin with the inspection of what came.
void tcp_begin(struct txn *t);
// A header of the PROXY protocol has told who the client is: what tcp_enter left over.
void tcp_greeted(struct client *c);
// What tcp-request connection, and session, say, on a transaction made for that alone.
bool tcp_admits_connection(struct client *c, struct txn *t);
bool tcp_admits_session(struct client *c, struct txn *t);
// The tcp-request content rules of p on a request in mode http, whose head is there. What waits
// among them does so until inspect-delay is over.
enum rule_verdict tcp_judge_request(struct txn *t, const struct proxy *p);
// The same for the backend's tcp-response content rules, on a response's head.
enum rule_verdict tcp_judge_response(struct txn *t);
// A connection to the server is ready.
extern const struct txn_step step_tcp_begin, step_tcp_connect;

extern const struct module proxy_tcp_module;
