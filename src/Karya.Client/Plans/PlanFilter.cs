using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>Which plans to list.</summary>
public sealed record PlanFilter
{
    /// <summary>Whose; null for the user named by <see cref="KaryaClientOptions.UserName"/>.</summary>
    public Guid? User { get; init; }

    /// <summary>Only these; <see cref="PlanStatus.None"/> for all.</summary>
    public PlanStatus Status { get; init; }

    /// <summary>Plans per request: 1 to 1,000.</summary>
    public int PageSize { get; init; } = 200;
}
