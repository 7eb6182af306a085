using Karya.Node.Diagnostics;
using Karya.Node.Http.Api;
using Karya.Node.Http.V1;
using Karya.Node.Plans;
using Karya.Protocol.Messages;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http;

/// <summary>The table of routes: what a path means, and which methods it has.</summary>
internal sealed class Router
{
    private readonly UserRoutes _users;
    private readonly V1.PlanRoutes _plans;
    private readonly Api.PlanRoutes _ourPlans;
    private readonly DeadLetterRoutes _deadLetters;
    private readonly ClusterRoutes _cluster;
    private readonly ConnectorRoutes _connectors;
    private readonly Probes _probes;

    public Router(
        HttpOptions options, IPlanDesk desk, IDeadLetterDesk deadLetters, Func<Task<ClusterStatusReply>> cluster,
        Func<string?, CancellationToken, Task<ConnectorsReply>> connectors, Metrics metrics, Health health)
    {
        _connectors = new ConnectorRoutes(connectors);
        _cluster = new ClusterRoutes(cluster);
        _users = new UserRoutes(desk, options.BodyBytesMax);
        _plans = new V1.PlanRoutes(desk, options);
        _ourPlans = new Api.PlanRoutes(desk, options.BodyBytesMax);
        _deadLetters = new DeadLetterRoutes(deadLetters, options.BodyBytesMax);
        _probes = new Probes(metrics, health);
    }

    public Task RouteAsync(HttpContext context, string[] path) => path switch
    {
        ["v1", "user"] => Choose(context, path, get: _users.FindAsync, post: _users.CreateAsync),
        ["v1", "plan"] => Choose(
            context, path, _plans.ListAsync, _plans.SubmitAsync, patch: http => _plans.UpdateAsync(http, null)),
        ["v1", "plan", var id] => Choose(
            context, path, http => _plans.GetAsync(http, id), http => _plans.CancelAsync(http, id),
            patch: http => _plans.UpdateAsync(http, id)),
        ["v1", "plan", var id, "summary"] => Choose(context, path, http => _plans.SummarizeAsync(http, id)),
        ["api", "cluster"] => Choose(context, path, _cluster.DescribeAsync),
        ["api", "connectors"] => Choose(context, path, _connectors.ListAsync),
        ["api", "connectors", var name, "test"] => Choose(
            context, path, post: http => _connectors.TestAsync(http, name)),
        ["api", "dead-letters"] => Choose(context, path, _deadLetters.ListAsync),
        ["api", "dead-letters", "groups"] => Choose(context, path, _deadLetters.GroupAsync),
        ["api", "dead-letters", "replay"] => Choose(context, path, post: _deadLetters.ReplayManyAsync),
        ["api", "dead-letters", "drop"] => Choose(context, path, post: _deadLetters.DropManyAsync),
        ["api", "operations"] => Choose(context, path, _deadLetters.ListOperationsAsync),
        ["api", "operations", var id] => Choose(context, path, http => _deadLetters.GetOperationAsync(http, id)),
        ["api", "operations", var id, "stop"] => Choose(
            context, path, post: http => _deadLetters.StopOperationAsync(http, id)),
        ["api", "plans"] => Choose(context, path, post: _ourPlans.SubmitAsync),
        ["api", "plans", var plan, "tasks", var occurrence, "replay" or "drop"] => Choose(
            context, path, post: http => _deadLetters.ChangeAsync(http, VerbOf(path), plan, occurrence, null)),
        ["api", "plans", var plan, "tasks", var occurrence, "hooks", var hook, "replay" or "drop"] => Choose(
            context, path, post: http => _deadLetters.ChangeAsync(http, VerbOf(path), plan, occurrence, hook)),
        ["api", ..] => Answer.ProblemAsync(
            context, new(StatusCodes.Status404NotFound, "NOT_FOUND", "There is no such path under /api.")),
        [] => Choose(context, path, get: Probes.GreetAsync),
        ["livez"] => Choose(context, path, get: _probes.LiveAsync),
        ["readyz"] => Choose(context, path, get: _probes.ReadyAsync),
        ["healthz"] => Choose(context, path, get: _probes.HealthAsync),
        ["metrics"] => Choose(context, path, get: _probes.MetricsAsync),
        _ => Answer.EmptyAsync(context, StatusCodes.Status404NotFound),
    };

    private static DeadLetterVerb VerbOf(string[] path) =>
        path[^1] == "drop" ? DeadLetterVerb.Drop : DeadLetterVerb.Replay;

    private static Task Choose(
        HttpContext context, string[] path, Func<HttpContext, Task>? get = null, Func<HttpContext, Task>? post = null,
        Func<HttpContext, Task>? patch = null)
    {
        var chosen = context.Request.Method switch
        {
            "GET" or "HEAD" => get,
            "POST" => post,
            "PATCH" => patch,
            _ => null,
        };

        if (chosen is not null)
            return chosen(context);

        string gets = get is null ? "" : "GET, HEAD, ";
        string posts = post is null ? "" : "POST, ";
        string patches = patch is null ? "" : "PATCH, ";
        context.Response.Headers.Allow = $"{gets}{posts}{patches}OPTIONS";
        return path is ["api", ..]
            ? Answer.ProblemAsync(
                context, new(StatusCodes.Status405MethodNotAllowed, "METHOD_NOT_ALLOWED", "See the Allow header."))
            : Answer.EmptyAsync(context, StatusCodes.Status405MethodNotAllowed);
    }
}
