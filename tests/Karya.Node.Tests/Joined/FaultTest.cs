using Karya.LocalServers;
using Karya.Node.Configuration;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>A node under load, for a fault to happen to; in the words of those tests.</summary>
internal sealed class FaultTest : IAsyncDisposable
{
    /// <summary>
    /// The high mark of each of the two journal writers, and on top what their shards had let in before: the requests
    /// of one turn, as large as they may be.
    /// </summary>
    private const long BacklogBytesMax = 2 * (16 + 32) * 1024 * 1024;

    private readonly PostgresServer _server;
    private readonly ITestOutputHelper _output;

    private FaultTest(
        PostgresServer server, PostgresRig rig, Node node, PostgresLoad load, ITestOutputHelper output)
    {
        _server = server;
        Rig = rig;
        Node = node;
        Load = load;
        _output = output;
    }

    public PostgresRig Rig { get; }

    public Node Node { get; }

    public PostgresLoad Load { get; }

    /// <param name="clock">By default one on which requests give up after half a second.</param>
    public static async Task<FaultTest> StartAsync(
        PostgresServer server, ITestOutputHelper output, NodeOptions? options = null, TimeProvider? clock = null,
        bool throughProxy = false, string? connection = null)
    {
        var (rig, node) = await PostgresRig.StartAsync(
            server, options, clock ?? new ImpatientClock(), throughProxy, connection);
        return new FaultTest(server, rig, node, await PostgresLoad.StartAsync(rig, node), output);
    }

    /// <summary>The node says that it is not ready, with one of these in its reason, and refuses requests.</summary>
    public async Task IsUnreadyAsync(params string[] reasons)
    {
        string reason = await Until.AskAsync(
            async () => await PostgresRig.NotReadyAsync(Node),
            reason => reasons.Any(expected => reason.Contains(expected, StringComparison.Ordinal)),
            "the node is not ready for the right reason");
        _output.WriteLine(reason.TrimEnd());
        var refusal = await Rig.RefusedAsync(Node);
        _output.WriteLine($"{refusal.Error}: {refusal.Message}");
    }

    /// <summary>The database is ready: now the node goes on within the time, and nothing was lost.</summary>
    public async Task ResumesAsync(TimeSpan timeMax)
    {
        var (took, steps) = await Rig.ResumedAsync(Node);
        _output.WriteLine($"resumed: {steps}");
        string figures = await Load.JudgeAsync(Node);
        _output.WriteLine(figures);
        Assert.True(took < timeMax, $"It took {took.TotalMilliseconds:F0} ms to go on.");
        Assert.True(Load.BacklogBytesMost <= BacklogBytesMax);
        Assert.False(Node.Failed.IsCompleted);
    }

    public async ValueTask DisposeAsync()
    {
        _server.Resume(); // When the test failed in between.
        await Load.DisposeAsync();
        await Rig.DisposeAsync();
    }
}
