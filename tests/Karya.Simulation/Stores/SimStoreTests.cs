using Karya.Node.Storage;
using Karya.Node.Tests.Storage;
using Microsoft.Extensions.Time.Testing;

namespace Karya.Simulation.Stores;

public sealed class SimStoreTests : StoreSuite
{
    private readonly SimDatabase _database = new(partitionCount: 4);

    protected override IStore Create() => new SimStore(_database, "one", new FakeTimeProvider());

    protected override IStore Reopen() => Create();

    protected override void CleanUp()
    {
    }
}

public sealed class SimStoreAnswersTests : StoreAnswersSuite
{
    private readonly SimDatabase _database = new(partitionCount: 4);

    protected override IStore Create() => new SimStore(_database, "one", new FakeTimeProvider());

    protected override IStore Reopen() => Create();

    protected override void CleanUp()
    {
    }
}
