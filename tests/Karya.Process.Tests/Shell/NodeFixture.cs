using Xunit;

namespace Karya.Process.Tests.Shell;

/// <summary>A node for the tests of a class, each of which has a user of its own.</summary>
public sealed class NodeFixture : IAsyncLifetime
{
    private readonly DataDirectory _data = new();
    private NodeProcess? _node;

    internal NodeProcess Node => _node!;

    public async ValueTask InitializeAsync() => _node = await NodeProcess.StartAsync(_data.Path);

    public async ValueTask DisposeAsync()
    {
        if (_node is not null)
            await _node.DisposeAsync();
        _data.Dispose();
    }
}
