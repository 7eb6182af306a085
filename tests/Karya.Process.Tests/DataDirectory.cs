namespace Karya.Process.Tests;

/// <summary>A directory of the test's own, removed with everything in it at the end.</summary>
internal sealed class DataDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("karya-test-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
