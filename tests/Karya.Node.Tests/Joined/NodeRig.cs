using Karya.Engine;
using Karya.Node.Configuration;
using Karya.Node.Plans;
using Karya.Node.Tests.Execution;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>
/// A whole node on a store that fails when told, with a target to call. Stopped and removed at the end of a test.
/// </summary>
internal sealed class NodeRig : IAsyncDisposable
{
    private static readonly HttpClient Browser = new();

    private readonly StoreFolder _folder = new();
    private readonly NodeOptions _options;
    private readonly TimeProvider _clock;

    private readonly ILoggerFactory _loggers;

    private NodeRig(NodeOptions? options, TimeProvider? clock, ILoggerFactory? loggers, LoopbackTarget target)
    {
        _loggers = loggers ?? NullLoggerFactory.Instance;
        _clock = clock ?? TimeProvider.System;
        options ??= Fast;
        _options = options with { Storage = options.Storage with { Path = _folder.File } };
        Target = target;
        Store = new FaultyStore(_folder.File);
        Node = NewNode();
    }

    /// <summary>Small pauses, two shards, any free port.</summary>
    public static NodeOptions Fast { get; } = new()
    {
        Http = new() { Listen = new ListenAddress("127.0.0.1", 0) },
        Tcp = new() { Listen = new ListenAddress("127.0.0.1", 0) },
        Engine = new() { Partitions = 16, Shards = 2 },
        Executor = new() { Concurrency = 16, PerTarget = 16, Drain = TimeSpan.FromSeconds(5) },
        Retry = new() { Delay = TimeSpan.FromMilliseconds(2), DelayMax = TimeSpan.FromMilliseconds(4) },
        Storage = new() { ProjectionInterval = TimeSpan.FromMilliseconds(5) },
    };

    public LoopbackTarget Target { get; }

    public StoreFolder Folder => _folder;

    public FaultyStore Store { get; private set; }

    public Node Node { get; private set; }

    public IPlanDesk Desk => Node.Desk;

    public UserId Ann { get; private set; }

    /// <summary>What anything that waits in a test is called off by.</summary>
    public static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public static async Task<NodeRig> StartAsync(
        NodeOptions? options = null, TimeProvider? clock = null, ILoggerFactory? loggers = null)
    {
        var rig = new NodeRig(options, clock, loggers, await LoopbackTarget.StartAsync());
        await rig.Node.StartAsync(Stopping);
        rig.Ann = (await rig.Desk.CreateUserAsync("ann", Stopping)).Id;
        return rig;
    }

    public async Task StopAsync()
    {
        await Node.DisposeAsync();
        Store.Dispose();
    }

    /// <summary>A new node, not started, on the file of the one that was stopped.</summary>
    public void Renew()
    {
        Store = new FaultyStore(_folder.File);
        Node = NewNode();
    }

    public async Task RestartAsync()
    {
        await StopAsync();
        Renew();
        await Node.StartAsync(Stopping);
    }

    /// <summary>A plan that calls the target.</summary>
    public PlanDraft Draft(
        long periodMs = 1, bool recurring = false, int retriesMax = 0, long? endAtMs = null, PlanAction? action = null,
        UserId? user = null, params PlanHook[] hooks) =>
        new(user ?? Ann, new PlanBody("", $"PT{periodMs / 1000.0}S", action ?? Call("/"), hooks), periodMs, recurring,
            endAtMs, retriesMax);

    public RestAction Call(string path, int timeoutMs = 30_000) =>
        new(false, Target.Authority + path, "GET", [], null, timeoutMs);

    public async Task<PlanView> SubmitAsync(PlanDraft draft) => await Desk.SubmitAsync(draft, Stopping);

    public async Task<(PlanView Plan, TaskView Task)> GetAsync(PlanId id)
    {
        var found = await Desk.GetAsync(id, Stopping);
        Assert.NotNull(found);
        return found.Value;
    }

    public async Task<PlanSummary> SummarizeAsync(PlanId id)
    {
        var summary = await Desk.SummarizeAsync(id, Stopping);
        Assert.NotNull(summary);
        return summary;
    }

    /// <summary>The summary, once the plan has come to this state and no task of it is open.</summary>
    public Task<PlanSummary> EndedAsync(PlanId id, PlanState state = PlanState.Completed) => Until.AskAsync(
        async () => await SummarizeAsync(id),
        summary => summary.Plan.State == state && summary.Tasks.All(task => PlanTaskStates.IsEnded(task.State)),
        $"plan {id} ends as {state}");

    public async Task<(int Status, string Text)> HttpAsync(string path)
    {
        using var response = await Browser.GetAsync(new Uri(Node.Addresses.Http, path), Stopping);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Stopping));
    }

    public async Task<(int Status, string Text)> PostAsync(
        string path, string json, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Node.Addresses.Http, path));
        request.Content = new StringContent(json, System.Text.Encoding.UTF8, "application/json");
        foreach (var (name, value) in headers)
            request.Headers.Add(name, value);
        using var response = await Browser.SendAsync(request, Stopping);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Stopping));
    }

    public async ValueTask DisposeAsync()
    {
        Store.RefusesCommits = false;
        Store.RefusesProjections = false;
        Store.ReleaseCommits();
        await StopAsync();
        await Target.DisposeAsync();
        _folder.Dispose();
    }

    private Node NewNode() => new(_options, _clock, _loggers, Store);
}
