namespace Karya.Client.Workers;

/// <summary>For workers without dependency injection.</summary>
internal sealed class NoServices : IServiceProvider
{
    public static readonly NoServices Instance = new();

    public object? GetService(Type serviceType) => null;
}
