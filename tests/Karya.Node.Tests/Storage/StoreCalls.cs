using Karya.Node.Storage;

namespace Karya.Node.Tests.Storage;

/// <summary>The store's calls as a test of one stream makes them.</summary>
internal static class StoreCalls
{
    public static CommitResult Commit(this IStore store, byte[] body) => store.Commit(0, [], body);

    public static void PruneJournal(this IStore store, long rowCount) => store.PruneJournal(0, rowCount);
}
