using System.Globalization;
using Karya.LocalServers;
using Karya.Node.Cluster;
using Karya.Node.Storage.Postgres;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>Several whole nodes on one Postgres, with a board that is no Redis. They are stopped in the end.</summary>
public abstract class ClusterTest : IAsyncLifetime
{
    private protected SharedBoard Board { get; } = new();

    private protected PostgresRig Rig { get; private set; } = null!;

    /// <summary>All partitions.</summary>
    private protected static int All => PostgresRig.Quick.Engine.Partitions;

    private protected static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public virtual async ValueTask InitializeAsync() => Rig = await PostgresRig.CreateAsync(PostgresServer.Shared);

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await Rig.DisposeAsync();
    }

    private protected Task<(Node Node, PostgresStore Store)> StartAsync(string name, bool throughProxy = false) =>
        StartAsync(Board.NewPlace(), name, throughProxy);

    private protected async Task<(Node Node, PostgresStore Store)> StartAsync(
        IClusterBoard board, string name, bool throughProxy = false)
    {
        var (node, store) = Rig.NewMember(board, name, throughProxy);
        await node.StartAsync(Stopping);
        return (node, store);
    }

    /// <summary>Two nodes, each with its half.</summary>
    private protected async Task<(Node First, PostgresStore FirstStore, Node Second, PostgresStore SecondStore)>
        StartTwoAsync(bool firstThroughProxy = false)
    {
        var (first, firstStore) = await StartAsync("a", firstThroughProxy);
        var (second, secondStore) = await StartAsync("b");
        await OwnsAsync(firstStore, All / 2);
        await OwnsAsync(secondStore, All / 2);
        return (first, firstStore, second, secondStore);
    }

    private protected static Task<int> OwnsAsync(PostgresStore store, int count) => Until.AskAsync(
        () => ValueTask.FromResult(store.Owned.Count), owned => owned == count,
        string.Create(CultureInfo.InvariantCulture, $"{store.Identity.Name} owns {count} partitions"));
}
