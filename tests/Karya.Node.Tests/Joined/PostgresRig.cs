using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Karya.Engine;
using Karya.LocalServers;
using Karya.Node.Cluster;
using Karya.Node.Configuration;
using Karya.Node.Plans;
using Karya.Node.Storage.Postgres;
using Karya.Node.Tests.Execution;
using Karya.Node.Tests.Storage.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>One attempt, as the target saw it.</summary>
internal sealed record Call(string Plan, long Epoch, long AtMs);

/// <summary>
/// Whole nodes on one schema of a Postgres, with a target that writes down when it was called. All are stopped and
/// removed at the end of a test.
/// </summary>
internal sealed class PostgresRig : IAsyncDisposable
{
    private static readonly HttpClient Browser = new();

    private readonly List<Node> _nodes = [];
    private readonly ConcurrentQueue<Call> _calls = new();
    private readonly NodeOptions _options;

    private PostgresRig(PostgresServer server, string? connection, NodeOptions? options, LoopbackTarget target)
    {
        Schema = new StoreSchema(connection ?? server.ConnectionString);
        Proxy = new CuttingProxy(server.Host, server.Port);
        _options = options ?? Quick;
        Target = target;
        Target.Respond = async http =>
        {
            var headers = http.Request.Headers;
            _calls.Enqueue(new Call(
                headers["karya-plan-id"].ToString(),
                long.Parse(headers["karya-epoch"].ToString(), CultureInfo.InvariantCulture),
                DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()));
            await Called(http.Request.Path);
        };
    }

    /// <summary>As <see cref="NodeRig.Fast"/>, with a lease that is short, and renewed in time all the same.</summary>
    public static NodeOptions Quick { get; } = NodeRig.Fast with
    {
        Cluster = new() { Lease = TimeSpan.FromSeconds(1) },
    };

    public StoreSchema Schema { get; }

    /// <summary>The way to the database that breaks, for nodes that are told to take it.</summary>
    public CuttingProxy Proxy { get; }

    public LoopbackTarget Target { get; }

    /// <summary>Hears of every call, by its path, before it is answered.</summary>
    public Func<string, Task> Called { get; set; } = _ => Task.CompletedTask;

    public IReadOnlyCollection<Call> Calls => _calls;

    public UserId Ann { get; private set; }

    public static long NowMs => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    /// <summary>No node yet: for clusters.</summary>
    public static async Task<PostgresRig> CreateAsync(PostgresServer server) =>
        new(server, null, null, await LoopbackTarget.StartAsync());

    /// <summary>Once a node has started.</summary>
    public async Task AddAnnAsync(Node node) =>
        Ann = (await node.Desk.CreateUserAsync("ann", NodeRig.Stopping)).Id;

    /// <param name="server">Where the database is.</param>
    /// <param name="options">Those of the nodes, but for the store.</param>
    /// <param name="clock">The first node's.</param>
    /// <param name="throughProxy">Whether the first node takes the way that breaks.</param>
    /// <param name="connection">How to connect to the server, when it is not the usual way.</param>
    public static async Task<(PostgresRig Rig, Node Node)> StartAsync(
        PostgresServer server, NodeOptions? options = null, TimeProvider? clock = null, bool throughProxy = false,
        string? connection = null)
    {
        var rig = new PostgresRig(server, connection, options, await LoopbackTarget.StartAsync());
        var node = rig.NewNode(throughProxy, clock);
        await node.StartAsync(NodeRig.Stopping);
        rig.Ann = (await node.Desk.CreateUserAsync("ann", NodeRig.Stopping)).Id;
        return (rig, node);
    }

    /// <summary>A node that is not started.</summary>
    public Node NewNode(bool throughProxy = false, TimeProvider? clock = null)
    {
        string connection = throughProxy
            ? Schema.SettingsThrough(Proxy.Port).ConnectionString
            : Schema.ConnectionString;
        var options = _options with
        {
            Storage = _options.Storage with
            {
                Postgres = new PostgresOptions { ConnectionString = connection, Schema = Schema.Name },
            },
        };
        var node = new Node(options, clock ?? TimeProvider.System, NullLoggerFactory.Instance);
        _nodes.Add(node);
        return node;
    }

    /// <summary>A node that is not started, and has all that it is to know from its options.</summary>
    public Node NewConfigured(ClusterOptions cluster)
    {
        var options = _options with
        {
            Storage = _options.Storage with
            {
                Postgres = new PostgresOptions { ConnectionString = Schema.ConnectionString, Schema = Schema.Name },
            },
            Cluster = cluster with { Lease = _options.Cluster.Lease },
        };
        var node = new Node(options, TimeProvider.System, NullLoggerFactory.Instance);
        _nodes.Add(node);
        return node;
    }

    /// <summary>A member of a cluster that is not started, and its store.</summary>
    public (Node Node, PostgresStore Store) NewMember(IClusterBoard board, string name, bool throughProxy = false)
    {
        var settings = (throughProxy ? Schema.SettingsThrough(Proxy.Port) : Schema.Settings) with
        {
            StreamCount = _options.Engine.ShardCount,
            Lease = _options.Cluster.Lease,
            Identity = NodeIdentity.Of(name),
        };
        var store = new PostgresStore(settings, TimeProvider.System);
        var node = new Node(
            _options, TimeProvider.System, NullLoggerFactory.Instance, store, board: board);
        _nodes.Add(node);
        return (node, store);
    }

    /// <summary>A plan that calls the target.</summary>
    public PlanDraft Draft(long periodMs, string path = "/", string description = "") => new(
        Ann,
        new PlanBody(
            description, string.Create(CultureInfo.InvariantCulture, $"PT{periodMs / 1000.0}S"),
            new RestAction(false, Target.Authority + path, "GET", [], null, 5000), []),
        periodMs, Recurring: false, EndAtMs: null, RetriesMax: 0);

    public static async Task<(int Status, string Text)> HttpAsync(Node node, string path)
    {
        using var response = await Browser.GetAsync(new Uri(node.Addresses.Http, path), NodeRig.Stopping);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(NodeRig.Stopping));
    }

    /// <summary>What the node's page of metrics says of a gauge.</summary>
    public static async Task<long> GaugeAsync(Node node, string name)
    {
        using var page = new MemoryStream();
        await node.Metrics.WriteAsync(page, NodeRig.Stopping);
        string start = $"\n{name} ";
        string text = Encoding.UTF8.GetString(page.ToArray());
        int at = text.IndexOf(start, StringComparison.Ordinal);
        Assert.True(at >= 0, text);
        return long.Parse(text[(at + start.Length)..].Split('\n')[0], CultureInfo.InvariantCulture);
    }

    /// <summary>Waits until the node says that it is not ready, and returns why.</summary>
    public static async Task<string> NotReadyAsync(Node node)
    {
        var answer = await Until.AskAsync(
            async () => await HttpAsync(node, "/readyz"), answer => answer.Status == 503, "the node is not ready");
        return answer.Text;
    }

    /// <summary>Waits until a request is refused; with what.</summary>
    public Task<DeskException> RefusedAsync(Node node) => Until.AskAsync(
        async () =>
        {
            try
            {
                await node.Desk.SubmitAsync(Draft(1), NodeRig.Stopping);
                return null!;
            }
            catch (DeskException e)
            {
                return e;
            }
        },
        refusal => refusal is not null, "a request is refused");

    /// <summary>
    /// Waits until the node takes a plan, fires it and says that it is ready. Called when the database is ready;
    /// returns how long it took from then on, and a line that says how long each of these took.
    /// </summary>
    public async Task<(TimeSpan Took, string Steps)> ResumedAsync(Node node)
    {
        var watch = Stopwatch.StartNew();
        var fired = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Called = path =>
        {
            if (path == "/resumed")
                fired.TrySetResult();
            return Task.CompletedTask;
        };
        await Until.AskAsync(
            async () =>
            {
                try
                {
                    await node.Desk.SubmitAsync(Draft(1, "/resumed"), NodeRig.Stopping);
                    return "";
                }
                catch (DeskException e)
                {
                    return e.Message;
                }
            },
            refusal => refusal.Length == 0, "a plan is taken");
        var taken = watch.Elapsed;
        await Expect.SoonAsync(fired.Task, "the plan is fired");
        var called = watch.Elapsed;
        string reason = "";
        await Until.AskAsync(
            async () =>
            {
                var answer = await HttpAsync(node, "/readyz");
                reason = answer.Status == 200 ? reason : answer.Text.TrimEnd();
                return answer;
            },
            answer => answer.Status == 200, "the node is ready again");
        return (watch.Elapsed, FormattableString.Invariant(
            $"taken {taken.TotalMilliseconds:F0}, fired {called.TotalMilliseconds:F0}, ready ")
            + FormattableString.Invariant($"{watch.Elapsed.TotalMilliseconds:F0} ms {reason}"));
    }

    /// <summary>All at once, in order.</summary>
    public Task StopNodesAsync() => Task.WhenAll(_nodes.Select(node => node.StopAsync()));

    public async ValueTask DisposeAsync()
    {
        Proxy.ReleaseAll();
        foreach (var node in _nodes)
            await node.DisposeAsync();
        await Target.DisposeAsync();
        Proxy.Dispose();
        Schema.Dispose();
    }
}
