using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Xunit;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage;

/// <summary>A test with a store of its own, of whatever kind.</summary>
public abstract class StoreTest : IDisposable
{
    private const int PartitionCount = 4;

    protected static readonly UserId Bob = new(0xB);

    private IStore? _store;

    /// <summary>The store of this test, open.</summary>
    protected IStore Store
    {
        get
        {
            if (_store is null)
            {
                _store = Create();
                Marks = _store.Open(PartitionCount);
                _store.AddUser(new UserView(Ann, "ann", 1000));
                _store.AddUser(new UserView(Bob, "bob", 1000));
            }

            return _store;
        }
    }

    /// <summary>What the last open answered.</summary>
    protected IReadOnlyList<ProjectedMark> Marks { get; private set; } = [];

    public void Dispose()
    {
        _store?.Dispose();
        CleanUp();
        GC.SuppressFinalize(this);
    }

    /// <summary>A store that does not exist yet; not open.</summary>
    protected abstract IStore Create();

    /// <summary>The store that <see cref="Create"/> made, once more, after that one was disposed; not open.</summary>
    protected abstract IStore Reopen();

    /// <summary>Removes what the test leaves behind, when its store is disposed.</summary>
    protected abstract void CleanUp();

    protected void Restart()
    {
        Store.Dispose();
        _store = Reopen();
        Marks = _store.Open(PartitionCount);
    }

    protected void Project(ProjectionBatch batch)
    {
        var result = Store.Project(batch);
        Assert.True(result == CommitResult.Committed, $"{result}: {Store.LastError}");
    }

    protected int PruneAll(long cutoffMs)
    {
        int removed = 0;
        while (Store.PruneHistory(cutoffMs, rowsMax: 100) is var count and > 0)
            removed += count;
        return removed;
    }
}
