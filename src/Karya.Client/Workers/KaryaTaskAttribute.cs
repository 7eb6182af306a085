using Karya.Client.Plans;

namespace Karya.Client;

/// <summary>The name under which plans find a task class: 1 to 128 of a-z, 0-9, '.', '_' and '-'.</summary>
/// <remarks>Written out, so that renaming the class does not rename the task.</remarks>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class KaryaTaskAttribute(string name) : Attribute
{
    public string Name { get; } = TaskNames.Checked(name);
}
