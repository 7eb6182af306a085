namespace Karya.Client.Workers;

/// <summary>For workers without dependency injection.</summary>
internal sealed class EmptyProvider : IServiceProvider
{
    public static readonly EmptyProvider Instance = new();

    public object? GetService(Type serviceType) => null;
}
